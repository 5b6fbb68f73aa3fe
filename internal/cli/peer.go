package cli

import (
	"context"

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

func (c *console) peerList() *cobra.Command {
	var q client.PeerQuery
	var enabled bool
	cmd := &cobra.Command{
		Use: "list ENTERPRISE", Short: "List the peers of an enterprise", Args: arguments("ENTERPRISE"),
		Long: `Lists the peers of an enterprise. A table that is wider than the terminal leaves
out the latency, the dialing prefix, the peer enterprise, the port and the last
probe, as far as needed. The cause says why a peer is not up, in one word; "peer
show" has it in full.`,
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
