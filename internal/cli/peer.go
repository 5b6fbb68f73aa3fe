package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

func (c *console) peer() *cobra.Command {
	cmd := &cobra.Command{
		Use: "peer", Short: "Peers of an enterprise",
		Long: `Peers of an enterprise. PEER is the id of one or its description, in any case.`,
	}
	cmd.AddCommand(c.peerList(), c.peerShow(), c.peerAdd())
	cmd.AddCommand(c.peerEdits()...)
	cmd.AddCommand(c.peerSwitches()...)
	cmd.AddCommand(c.peerHistory(), c.peerImport(), c.peerExport())
	cmd.AddCommand(c.peerProbe(), c.peerTest(), c.peerSamples(), c.peerTimeline(), c.peerUptime(), c.peerPresence(), c.peerMaintenance())
	return cmd
}

func peerColumns() []column[client.Peer] {
	type p = client.Peer
	// own hides what an external peer does not have.
	own := func(value func(p) any) func(p) any {
		return func(p p) any {
			if p.Type == client.PeerExternal {
				return remark(client.NotApplicable)
			}
			return value(p)
		}
	}
	return []column[p]{
		{field: "description", value: func(p p) any { return p.Description }},
		{field: "type", value: func(p p) any { return p.Type }},
		{field: "server", value: func(p p) any { return p.Server }},
		{field: "port", spare: 4, value: own(func(p p) any { return p.Port })},
		{field: "address", value: own(func(p p) any {
			if p.Address == "" {
				return remark("follows the hostname")
			}
			return p.Address
		})},
		{field: "peer_enterprise_id", spare: 3, value: own(func(p p) any { return key(p.PeerEnterpriseID) })},
		{field: "dialing_prefix", spare: 2, value: own(func(p p) any { return p.DialingPrefix })},
		{field: "version", value: func(p p) any { return p.Version }},
		{field: "version_source", wide: true, value: func(p p) any { return p.VersionSource }},
		{field: "upn_presence", value: func(p p) any { return p.UPNPresence.Value }},
		{field: "upn_presence.reason", wide: true, value: func(p p) any { return p.UPNPresence.Reason }},
		{field: "status", value: func(p p) any { return p.Status }},
		{field: "last_probe", spare: 5, value: func(p p) any { return age(p.LastProbe) }},
		{field: "latency_ms", spare: 1, value: func(p p) any { return millis(p.LatencyMS) }},
		{field: "status_cause.code", wide: true, value: func(p p) any { return causeOf(p.StatusCause).Code }},
		{field: "status_cause.message", wide: true, value: func(p p) any { return causeOf(p.StatusCause).Message }},
		{field: "status_since", wide: true, value: func(p p) any { return p.StatusSince }},
		{field: "certificate.not_after", wide: true, value: func(p p) any {
			if p.Certificate == nil {
				return ""
			}
			return p.Certificate.NotAfter
		}},
		{field: "enabled", wide: true, value: func(p p) any { return p.Enabled }},
		{field: "notice", wide: true, value: func(p p) any { return notice(p) }},
		{field: "admin_url", wide: true, value: func(p p) any { return p.AdminURL }},
		{field: "revision", wide: true, value: func(p p) any { return p.Revision }},
		{field: "updated_at", wide: true, value: func(p p) any { return p.UpdatedAt }},
		{field: "id", wide: true, value: func(p p) any { return key(p.ID) }},
	}
}

// deletedColumns tell the story of each deleted peer.
func deletedColumns() []column[client.Peer] {
	type p = client.Peer
	story := func(value func(client.Deleted) any) func(p) any {
		return func(p p) any {
			if p.Deleted == nil {
				return ""
			}
			return value(*p.Deleted)
		}
	}
	return []column[p]{
		{field: "description", value: func(p p) any { return p.Description }},
		{field: "type", value: func(p p) any { return p.Type }},
		{field: "server", value: func(p p) any { return p.Server }},
		{field: "deleted.by", value: story(func(d client.Deleted) any { return d.By })},
		{field: "deleted.at", value: story(func(d client.Deleted) any { return d.At })},
		{field: "deleted.reason", value: story(func(d client.Deleted) any { return d.Reason })},
		{field: "deleted.sequence", wide: true, value: story(func(d client.Deleted) any { return d.Sequence })},
		{field: "id", value: func(p p) any { return key(p.ID) }},
	}
}

func notice(p client.Peer) string {
	if p.Notice == nil {
		return ""
	}
	text := "to be told:"
	for _, ch := range p.Notice.Changes {
		text += " " + ch.Field + " " + strconv.Quote(ch.From) + " is now " + strconv.Quote(ch.To)
	}
	return text
}

func (c *console) peerList() *cobra.Command {
	var q client.PeerQuery
	var enabled bool
	cmd := &cobra.Command{
		Use: "list ENTERPRISE", Short: "List the peers of an enterprise", Args: arguments("ENTERPRISE"),
		Long: `Lists the peers of an enterprise. A table that is wider than the terminal leaves
out the latency, the dialing prefix, the peer enterprise, the port and the last
probe, as far as needed.`,
		Example: "  peering peer list demo-acme --status down --sort -version\n  peering peer list demo-acme --deleted",
	}
	flags := cmd.Flags()
	flags.StringVar(&q.Status, "status", "", "only peers of this status: unknown, up, degraded, down, disabled, N/A")
	flags.StringVar(&q.Type, "type", "", "only peers of this type: micollab, external")
	flags.BoolVar(&enabled, "enabled", false, "only peers that are enabled; --enabled=false: only those that are not")
	flags.BoolVar(&q.Deleted, "deleted", false, "the deleted peers instead of the living")
	complete(cmd, "status", "unknown", "up", "degraded", "down", "disabled", client.NotApplicable)
	complete(cmd, "type", client.PeerMiCollab, client.PeerExternal)
	return c.completions(listCommand(c, cmd, listing[client.Peer]{
		columns: func() []column[client.Peer] {
			if q.Deleted {
				return deletedColumns()
			}
			return peerColumns()
		},
		fetch: func(ctx context.Context, api *client.Client, args []string, l client.ListQuery, opts ...client.ReadOption) (client.Page[client.Peer], error) {
			q.ListQuery = l
			if cmd.Flags().Changed("enabled") {
				q.Enabled = &enabled
			}
			return api.Peers(ctx, client.EnterpriseID(args[0]), q, opts...)
		},
		empty: func(args []string) string {
			return "No peers yet. Add one: peering peer add " + args[0] + " --help"
		},
		sorts: []string{
			"id", "type", "description", "server", "hostname", "port", "address", "host", "peer_enterprise_id",
			"dialing_prefix", "version", "version_source", "upn_presence", "enabled", "status", "status_cause",
			"status_since", "last_probe", "latency_ms", "certificate", "certificate.not_after", "certificate.days_left", "notice", "maintenance",
			"admin_url", "revision", "updated_at",
		},
	}), enterpriseNames)
}

func (c *console) peerShow() *cobra.Command {
	return c.completions(showCommand(c, &cobra.Command{
		Use: "show ENTERPRISE PEER", Short: "Show a peer", Args: arguments("ENTERPRISE", "PEER"),
		Long:    "Shows a peer. Of a deleted one it says who deleted it, when and why (exit 4).",
		Example: "  peering peer show demo-acme Berlin",
	}, peerColumns(), func(ctx context.Context, api *client.Client, args []string, opts ...client.ReadOption) (client.Peer, error) {
		ent := client.EnterpriseID(args[0])
		p, err := findPeer(ctx, api, ent, args[1])
		if err != nil {
			return client.Peer{}, err
		}
		return api.Peer(ctx, ent, p.ID, opts...)
	}), enterpriseNames, peerNames)
}
