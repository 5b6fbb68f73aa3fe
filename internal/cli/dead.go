package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

func (c *console) deadEvents() *cobra.Command {
	cmd := &cobra.Command{
		Use: "dead", Short: "Events that a projection could not apply",
		Long: `Events that a projection could not apply. Later events of the same enterprise
wait behind each, until it is tried again with success, or given up.`,
	}
	cmd.AddCommand(c.deadList(), c.deadShow(), c.deadRetry(), c.deadDiscard())
	return cmd
}

func deadColumns() []column[client.DeadEvent] {
	type e = client.DeadEvent
	story := func(part func(*client.Discarded) any) func(e) any {
		return func(e e) any {
			if e.Discarded == nil {
				return ""
			}
			return part(e.Discarded)
		}
	}
	return []column[e]{
		{field: "projection", value: func(e e) any { return key(e.Projection) }},
		{field: "sequence", value: func(e e) any { return e.Sequence }},
		{field: "enterprise", value: func(e e) any { return key(e.Enterprise) }},
		{field: "type", value: func(e e) any { return key(e.Type) }},
		{field: "error", value: func(e e) any { return e.Error }},
		{field: "held_at", wide: true, value: func(e e) any { return e.HeldAt }},
		{field: "stored_at", wide: true, value: func(e e) any { return e.StoredAt }},
		{field: "subject", wide: true, value: func(e e) any { return e.Subject }},
		{field: "discarded.by", wide: true, value: story(func(d *client.Discarded) any { return d.By })},
		{field: "discarded.at", wide: true, value: story(func(d *client.Discarded) any { return d.At })},
		{field: "discarded.reason", wide: true, value: story(func(d *client.Discarded) any { return d.Reason })},
	}
}

func (c *console) deadList() *cobra.Command {
	var q client.DeadQuery
	cmd := &cobra.Command{Use: "list", Short: "List them", Args: arguments(), Example: "  peering dead list --projection directory"}
	flags := cmd.Flags()
	flags.StringVar(&q.Projection, "projection", "", "only those of this projection")
	flags.StringVar((*string)(&q.Enterprise), "enterprise", "", "only those of this enterprise")
	flags.BoolVar(&q.Discarded, "discarded", false, "those that were given up instead")
	return listCommand(c, cmd, listing[client.DeadEvent]{
		columns: deadColumns,
		fetch: func(ctx context.Context, api *client.Client, _ []string, l client.ListQuery, opts ...client.ReadOption) (client.Page[client.DeadEvent], error) {
			q.ListQuery = l
			return api.DeadEvents(ctx, q, opts...)
		},
		empty: func([]string) string { return "Every event was applied." },
		sorts: []string{"sequence"},
	})
}

// sequenceOf reads the sequence that an argument names.
func sequenceOf(arg string) (client.Seq, error) {
	n, err := strconv.ParseUint(arg, 10, 63)
	if err != nil || n == 0 {
		return 0, usage("SEQUENCE %q is not a whole number above zero", arg)
	}
	return client.Seq(n), nil
}

func (c *console) deadShow() *cobra.Command {
	return c.completions(showCommand(c, &cobra.Command{
		Use: "show PROJECTION SEQUENCE", Short: "Show one", Args: arguments("PROJECTION", "SEQUENCE"),
		Example: "  peering dead show directory 57",
	}, deadColumns(), func(ctx context.Context, api *client.Client, args []string, opts ...client.ReadOption) (client.DeadEvent, error) {
		at, err := sequenceOf(args[1])
		if err != nil {
			return client.DeadEvent{}, err
		}
		return api.DeadEvent(ctx, args[0], at, opts...)
	}), projectionNames)
}

func (c *console) deadRetry() *cobra.Command {
	cmd := &cobra.Command{
		Use: "retry PROJECTION SEQUENCE", Short: "Try one again", Args: arguments("PROJECTION", "SEQUENCE"),
		Long:    `Has the projection try an event again, after its cause is gone, and what waits behind it. Exit code 1 when it cannot be applied again.`,
		Example: "  peering dead retry directory 57",
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		at, err := sequenceOf(args[1])
		if err != nil {
			return err
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		healed, err := api.RetryDeadEvent(cmd.Context(), args[0], at)
		switch {
		case err != nil:
			return err
		case !healed:
			return fmt.Errorf("the event %d could not be applied again; see peering dead show %s %d", at, args[0], at)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "The event %d was applied, and what waited behind it goes on.\n", at)
		return err
	}
	return c.completions(cmd, projectionNames)
}

func (c *console) deadDiscard() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "discard PROJECTION SEQUENCE", Short: "Give one up", Args: arguments("PROJECTION", "SEQUENCE"),
		Long: `Gives an event up: the projection skips it from then on, also when it is rebuilt,
and goes on with what waits behind it. It stays in the log. There is no way back.`,
		Example: `  peering dead discard directory 57 --reason "written by a test"`,
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept (needed)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := required(cmd, "reason"); err != nil {
			return err
		}
		at, err := sequenceOf(args[1])
		if err != nil {
			return err
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		e, err := api.DiscardDeadEvent(cmd.Context(), args[0], at, reason)
		if err != nil {
			return err
		}
		by := ""
		if e.Discarded != nil {
			by = " by " + e.Discarded.By
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "The event %d was given up%s.\n", at, printable(by))
		return err
	}
	return c.completions(cmd, projectionNames)
}
