package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

// jobPoll is how often a job is asked how far it is.
const jobPoll = 200 * time.Millisecond

func (c *console) projections() *cobra.Command {
	cmd := &cobra.Command{
		Use: "projection", Short: "The read models: how far they are, rebuild, verify",
		Long: `The projections: what lists and histories are read from. All of it can be made
anew from the log. It takes an admin token for all enterprises.`,
	}
	cmd.AddCommand(c.projectionList(), c.projectionJob("rebuild"), c.projectionJob("verify"))
	return cmd
}

func (c *console) projectionList() *cobra.Command {
	type p = client.Projection
	columns := []column[p]{
		{field: "name", value: func(p p) any { return key(p.Name) }},
		{field: "version", value: func(p p) any { return p.Version }},
		{field: "position", value: func(p p) any { return p.Position }},
		{field: "lag", value: func(p p) any { return p.Lag }},
		{field: "dead", value: func(p p) any { return p.Dead }},
		{field: "held", value: func(p p) any { return len(p.Held) }},
		{field: "stopped", value: func(p p) any { return p.Stopped }},
		{field: "building", value: func(p p) any {
			if p.Building == nil {
				return ""
			}
			return fmt.Sprintf("at %d of %d", p.Building.Position, p.End)
		}},
		{field: "owner", wide: true, value: func(p p) any { return key(p.Owner) }},
	}
	cmd := &cobra.Command{Use: "list", Short: "List the projections", Args: arguments(), Example: "  peering projection list"}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		var got pile[p]
		page, err := api.Projections(cmd.Context(), client.Body(&got.body))
		if err != nil {
			return err
		}
		if err := got.add(page, false); err != nil {
			return err
		}
		l := listing[p]{columns: func() []column[p] { return columns }, empty: func([]string) string { return "There are no projections." }}
		return l.print(c, cmd, nil, &got)
	}
	return cmd
}

func (c *console) projectionJob(kind string) *cobra.Command {
	about := map[string][2]string{
		"rebuild": {"Make the tables of a projection anew from the log", `Fills new tables from the beginning of the log while the old ones are read, and
has them take their place. Waits for the end; interrupting it does not end the
job.`},
		"verify": {"Compare the tables of a projection with the log", `Compares every row with what the log says, at one position, while the projection
moves on. Waits for the end. Exit code 1 when they differ; "rebuild" mends that.`},
	}[kind]
	cmd := &cobra.Command{
		Use: kind + " PROJECTION", Short: about[0], Long: about[1], Args: arguments("PROJECTION"),
		Example: "  peering projection " + kind + " directory",
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		begin := api.RebuildProjection
		if kind == "verify" {
			begin = api.VerifyProjection
		}
		job, err := begin(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if job, err = awaitJob(cmd, api, job); err != nil {
			return err
		}
		return c.printJob(cmd, job)
	}
	return c.completions(cmd, projectionNames)
}

func projectionNames(ctx context.Context, api *client.Client, _ []string, _ string) ([]string, error) {
	page, err := api.Projections(ctx)
	return names(page, err, func(p client.Projection) string { return p.Name })
}

// awaitJob waits for the end of a job. It lives in the process that was asked:
// where several answer, another one may not know of it.
func awaitJob(cmd *cobra.Command, api *client.Client, job client.Job) (client.Job, error) {
	for job.FinishedAt == nil {
		select {
		case <-time.After(jobPoll):
		case <-cmd.Context().Done():
			return job, cmd.Context().Err()
		}
		p, err := api.Projection(cmd.Context(), job.Projection)
		if err != nil {
			return job, err
		}
		if p.Job != nil && p.Job.StartedAt.Equal(job.StartedAt) {
			job = *p.Job
		} else if p.Building == nil {
			return job, fmt.Errorf("the %s of %s cannot be followed: another process answers, or the one that had it has ended; see peering projection list", job.Kind, job.Projection)
		}
	}
	if job.Error != "" {
		return job, fmt.Errorf("the %s of %s failed: %s", job.Kind, job.Projection, printable(job.Error))
	}
	return job, nil
}

func (c *console) printJob(cmd *cobra.Command, job client.Job) error {
	out := cmd.OutOrStdout()
	if c.format == formatJSON {
		if err := json.NewEncoder(out).Encode(job); err != nil {
			return err
		}
	} else if job.Report == nil {
		fmt.Fprintf(out, "Rebuilt %s, up to sequence %d.\n", job.Projection, job.Position)
	} else if err := c.printReport(cmd, job); err != nil {
		return err
	}
	if r := job.Report; r != nil && !r.Sound {
		return fmt.Errorf("the tables of %s are not what the log says; peering projection rebuild %s makes them anew", job.Projection, job.Projection)
	}
	return nil
}

func (c *console) printReport(cmd *cobra.Command, job client.Job) error {
	type t = client.TableReport
	err := printList(cmd.OutOrStdout(), c.format, []column[t]{
		{field: "name", value: func(t t) any { return key(t.Name) }},
		{field: "rows", value: func(t t) any { return t.Rows }},
		{field: "missing", value: func(t t) any { return t.Missing }},
		{field: "extra", value: func(t t) any { return t.Extra }},
		{field: "different", value: func(t t) any { return t.Different }},
	}, job.Report.Tables)
	for _, table := range job.Report.Tables {
		for _, e := range table.Examples {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", printable(table.Name), printable(e))
		}
	}
	if job.Report.Sound && c.format == formatTable {
		fmt.Fprintf(cmd.OutOrStdout(), "Sound at sequence %d.\n", job.Report.Position)
	}
	return err
}
