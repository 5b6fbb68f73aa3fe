package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

func (c *console) peerMaintenance() *cobra.Command {
	var m client.Maintenance
	var cancel bool
	cmd := &cobra.Command{
		Use: "maintenance ENTERPRISE PEER", Short: "Announce a maintenance of a peer, take it back, or list them", Args: arguments("ENTERPRISE", "PEER"),
		Long: `With --start and --end it announces when a peer may be away without alarm, with
--cancel it takes that back. A peer has one at a time: announcing another takes
the one before back. One that is over stays.

Without any of these flags it lists what was announced, the latest first.`,
		Example: `  peering peer maintenance demo-acme Berlin --start 2026-03-01T22:00:00Z --end 2026-03-02T04:00:00Z --note "Upgrade to 9.8"
  peering peer maintenance demo-acme Berlin --cancel
  peering peer maintenance demo-acme Berlin`,
	}
	timeVar(cmd, &m.Start, "start", "when it begins, such as 2026-03-01T22:00:00Z")
	timeVar(cmd, &m.End, "end", "when it ends")
	cmd.Flags().StringVar(&m.Note, "note", "", "what is done; shown beside it")
	cmd.Flags().BoolVar(&cancel, "cancel", false, "take the announced one back")
	c.peerOrder(cmd, func(cmd *cobra.Command, _ []string) error {
		if cancel {
			return excludes(cmd, "cancel", "start", "end", "note")
		}
		return required(cmd, "start", "end")
	}, func(ctx context.Context, api *client.Client, p client.Peer, _ []string, opts ...client.WriteOption) (client.Receipt, string, error) {
		if cancel {
			r, err := api.CancelMaintenance(ctx, p.Enterprise, p.ID, opts...)
			if !toCome(p.Maintenance) {
				return r, fmt.Sprintf("Nothing was announced of %q that could be taken back", p.Description), err
			}
			return r, fmt.Sprintf("Took the maintenance of %q back", p.Description), err
		}
		r, err := api.ScheduleMaintenance(ctx, p.Enterprise, p.ID, m, opts...)
		return r, fmt.Sprintf("Announced a maintenance of %q from %s to %s%s", p.Description, forTable(m.Start), forTable(m.End), insteadOf(p.Maintenance, m)), err
	})
	write := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !changesAny(cmd) {
			return c.listMaintenances(cmd, args)
		}
		return write(cmd, args)
	}
	return cmd
}

// toCome reports whether a maintenance has not ended.
func toCome(m *client.Maintenance) bool { return m != nil && m.End.After(time.Now()) }

// insteadOf says which maintenance another one takes back; "": none.
func insteadOf(before *client.Maintenance, m client.Maintenance) string {
	if !toCome(before) || before.Start.Equal(m.Start) && before.End.Equal(m.End) {
		return ""
	}
	return fmt.Sprintf(", instead of the one from %s to %s", forTable(before.Start), forTable(before.End))
}

// changesAny reports whether a flag of cmd itself was given.
func changesAny(cmd *cobra.Command) bool {
	for _, name := range []string{"start", "end", "note", "cancel", "reason", "actor", "idempotency-key", "if-match"} {
		if cmd.Flags().Changed(name) {
			return true
		}
	}
	return false
}

// excludes refuses flags that another one leaves no room for.
func excludes(cmd *cobra.Command, one string, others ...string) error {
	for _, name := range others {
		if cmd.Flags().Changed(name) {
			return usage("--%s and --%s exclude each other", one, name)
		}
	}
	return nil
}

func maintenanceColumns(now time.Time) []column[client.MaintenanceWindow] {
	type m = client.MaintenanceWindow
	return []column[m]{
		{field: "start", value: func(m m) any { return m.Start }},
		{field: "end", value: func(m m) any { return m.End }},
		{field: "note", value: func(m m) any { return m.Note }},
		{field: "by", value: func(m m) any { return m.By }},
		{field: "cancelled_at", value: func(m m) any {
			switch {
			case !m.CancelledAt.IsZero():
				return m.CancelledAt
			case now.Before(m.Start):
				return remark("no, to come")
			case now.Before(m.End):
				return remark("no, under way")
			}
			return remark("no")
		}},
		{field: "sequence", wide: true, value: func(m m) any { return m.Sequence }},
	}
}

// listMaintenances lists all that was announced.
func (c *console) listMaintenances(cmd *cobra.Command, args []string) error {
	api, id, err := c.namedPeerID(cmd, args)
	if err != nil {
		return err
	}
	var got pile[client.MaintenanceWindow]
	for page, err := range client.Pages("", func(cursor string) (client.Page[client.MaintenanceWindow], error) {
		got.body.Reset()
		return api.Maintenances(cmd.Context(), client.EnterpriseID(args[0]), id, client.TimelineQuery{Limit: maxLimit, Cursor: cursor}, client.Body(&got.body))
	}) {
		if err != nil {
			return err
		}
		if err := got.add(page, c.format == formatJSON); err != nil {
			return err
		}
	}
	l := listing[client.MaintenanceWindow]{
		columns: func() []column[client.MaintenanceWindow] { return maintenanceColumns(time.Now()) },
		empty:   func([]string) string { return "No maintenance was announced." },
	}
	return l.print(c, cmd, args, &got)
}
