package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

func timelineColumns() []column[client.Period] {
	type p = client.Period
	return []column[p]{
		{field: "since", value: func(p p) any { return p.Since }},
		{field: "until", value: func(p p) any {
			if p.Until.IsZero() {
				return remark("now")
			}
			return p.Until
		}},
		{field: "status", value: func(p p) any {
			if p.Status == "" {
				return remark("deleted")
			}
			return p.Status
		}},
		{field: "status_cause.layer", wide: true, value: func(p p) any { return causeOf(p.StatusCause).Layer }},
		{field: "status_cause.code", head: "CAUSE", value: func(p p) any { return causeOf(p.StatusCause).Code }},
		{field: "status_cause.message", head: "CAUSE MESSAGE", spare: 1, value: func(p p) any { return causeOf(p.StatusCause).Message }},
		{field: "reported_at", wide: true, value: func(p p) any { return p.ReportedAt }},
		{field: "probe_started", wide: true, value: func(p p) any { return p.ProbeStarted }},
		{field: "sequence", wide: true, value: func(p p) any { return p.Sequence }},
	}
}

func (c *console) peerTimeline() *cobra.Command {
	type p = client.Period
	return c.completions(listCommand(c, &cobra.Command{
		Use: "timeline ENTERPRISE PEER", Short: "Show how the status of a peer was, also of one that is gone", Args: arguments("ENTERPRISE", "PEER"),
		Long:    "Shows how long a peer had which status and why, the latest first.",
		Example: "  peering peer timeline demo-acme Berlin --limit 20",
	}, listing[p]{
		columns: timelineColumns,
		fetch: func(ctx context.Context, api *client.Client, args []string, l client.ListQuery, opts ...client.ReadOption) (client.Page[p], error) {
			ent := client.EnterpriseID(args[0])
			id, err := findPeerID(ctx, api, ent, args[1])
			if err != nil {
				return client.Page[p]{}, err
			}
			return api.Timeline(ctx, ent, id, client.TimelineQuery{Limit: l.Limit, Cursor: l.Cursor}, opts...)
		},
		empty:      func([]string) string { return "It has had no status yet." },
		unsearched: true, unsorted: true,
	}), enterpriseNames, peerNames)
}

func causeOf(cause *client.StatusCause) client.StatusCause {
	if cause == nil {
		return client.StatusCause{}
	}
	return *cause
}

// maxSamples is how many samples of a peer are kept.
const maxSamples = 120

func sampleColumns() []column[client.Sample] {
	type s = client.Sample
	return []column[s]{
		{field: "started_at", value: func(s s) any { return s.StartedAt }},
		{field: "ok", value: func(s s) any { return s.OK }},
		{field: "latency_ms", value: func(s s) any { return millis(s.LatencyMS) }},
		{field: "cause.layer", wide: true, value: func(s s) any { return causeOf(s.Cause).Layer }},
		{field: "cause.code", value: func(s s) any { return causeOf(s.Cause).Code }},
		{field: "cause.message", spare: 2, value: func(s s) any { return causeOf(s.Cause).Message }},
		{field: "addresses", spare: 1, value: func(s s) any { return strings.Join(s.Addresses, " ") }},
		{field: "version", value: func(s s) any { return s.Version }},
		{field: "by_hand", wide: true, value: func(s s) any { return s.ByHand }},
		{field: "prober", wide: true, value: func(s s) any { return s.Prober }},
		{field: "config_seq", wide: true, value: func(s s) any { return s.ConfigSeq }},
	}
}

func (c *console) peerSamples() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "samples ENTERPRISE PEER", Short: "List the last probes of a peer", Args: arguments("ENTERPRISE", "PEER"),
		Long: `Lists the last probes of a peer, the newest first. Only the last ones are kept;
what follows from them is in the timeline. With -o json each has its steps.`,
		Example: "  peering peer samples demo-acme Berlin --limit 10",
	}
	cmd.Flags().IntVar(&limit, "limit", 0, "how many, 1 to 120 (default all that are kept)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("limit") && (limit < 1 || limit > maxSamples) {
			return usage("--limit must be 1 to %d", maxSamples)
		}
		api, p, err := c.namedPeer(cmd, args)
		if err != nil {
			return err
		}
		var got pile[client.Sample]
		page, err := api.Samples(cmd.Context(), p.Enterprise, p.ID, limit, client.Body(&got.body))
		if err != nil {
			return err
		}
		if err := got.add(page, false); err != nil {
			return err
		}
		l := listing[client.Sample]{columns: sampleColumns, empty: func([]string) string { return "It was not probed lately." }}
		return l.print(c, cmd, args, &got)
	}
	return c.completions(cmd, enterpriseNames, peerNames)
}
