package cli

import (
	"bytes"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

// uptimeRow is a line of an uptime report.
type uptimeRow struct {
	client.Uptime
	total bool
}

func uptimeColumns() []column[uptimeRow] {
	type u = uptimeRow
	return []column[u]{
		{field: "from", value: func(u u) any {
			if u.total {
				return remark("total")
			}
			return utc(u.From)
		}},
		{field: "to", spare: 1, value: func(u u) any { return utc(u.To) }},
		{field: "ratio", value: func(u u) any { return percent(u.Ratio) }},
		{field: "up_seconds", value: func(u u) any { return seconds(u.Up) }},
		{field: "degraded_seconds", value: func(u u) any { return seconds(u.Degraded) }},
		{field: "down_seconds", value: func(u u) any { return seconds(u.Down) }},
		{field: "unknown_seconds", value: func(u u) any { return seconds(u.Unknown) }},
		{field: "disabled_seconds", value: func(u u) any { return seconds(u.Disabled) }},
		{field: "maintenance_seconds", value: func(u u) any { return seconds(u.Maintenance) }},
	}
}

// uptimeRows are the lines of a report. In a table the spans from before the peer
// was there are left out, and the total is the last line.
func uptimeRows(r client.UptimeReport, f format) []uptimeRow {
	var out []uptimeRow
	for _, u := range r.Items {
		was := u.Up+u.Degraded+u.Down+u.Unknown+u.Disabled+u.Maintenance > 0
		if f == formatTable && out == nil && !was {
			continue
		}
		out = append(out, uptimeRow{Uptime: u})
	}
	if f == formatTable {
		out = append(out, uptimeRow{Uptime: r.Total, total: true})
	}
	return out
}

func (c *console) peerUptime() *cobra.Command {
	var q client.UptimeQuery
	cmd := &cobra.Command{
		Use: "uptime ENTERPRISE PEER", Short: "Show the uptime of a peer, also of one that is gone", Args: arguments("ENTERPRISE", "PEER"),
		Long: `Shows how long a peer was in each status per day, week or month in UTC, of the
last 30 days when nothing else is said. The table begins when the peer was there,
and its last line is the total.
The ratio is of the time that counts: what nobody knew, maintenance and the time
in which the peer was disabled count neither for it nor against it.`,
		Example: "  peering peer uptime demo-acme Berlin --by month --from 2026-01-01T00:00:00Z",
	}
	flags := cmd.Flags()
	flags.StringVar(&q.By, "by", "", "the spans: day (default), week, month")
	complete(cmd, "by", "day", "week", "month")
	timeVar(cmd, &q.From, "from", "since when, such as 2026-01-31T12:00:00Z")
	timeVar(cmd, &q.To, "to", "until when (default now)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, id, err := c.namedPeerID(cmd, args)
		if err != nil {
			return err
		}
		var body bytes.Buffer
		r, err := api.Uptime(cmd.Context(), client.EnterpriseID(args[0]), id, q, client.Body(&body))
		switch {
		case err != nil:
			return err
		case c.format == formatJSON:
			return printBody(cmd.OutOrStdout(), &body)
		}
		return printList(cmd.OutOrStdout(), c.format, uptimeColumns(), uptimeRows(r, c.format))
	}
	return c.completions(cmd, enterpriseNames, peerNames)
}
