package app

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/demo"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

const demoEnterprise = "demo-acme"

// demoCommands are the orders that make the demo, each with the id that keeps a
// second start from repeating it.
func demoCommands(kit *demo.Kit) []command.Request {
	orders := []struct {
		id  events.CommandID
		cmd domain.Command
	}{
		{"demo-enterprise", domain.RegisterEnterprise{
			ID: demoEnterprise, Description: "Acme", Domain: "acme.example",
			Server: domain.Server{Hostname: "uc.acme.example", Address: "192.0.2.10", Version: "9.8", Deployment: events.DeploymentStandard},
		}},
		{"demo-peer-berlin", demoPeer("Berlin", kit.Server("berlin"), "berlin", "9.8", "")},
		{"demo-peer-lyon", demoPeer("Lyon", kit.Server("lyon"), "lyon-hq", "9.7.1.105", "192.0.2.20")},
		{"demo-peer-madrid", demoPeer("Madrid", kit.Server("madrid"), "madrid", "9.3", "")},
		{"demo-peer-oslo", demoPeer("Oslo", kit.Server("oslo"), "oslo", "", "edge.oslo.example")},
		{"demo-peer-federation", domain.AddPeer{Type: events.PeerExternal, Description: "XMPP federation"}},
	}
	var out []command.Request
	for _, o := range orders {
		out = append(out, command.Request{
			Enterprise: demoEnterprise, ID: o.id, Command: o.cmd,
			Actor: "peering serve", Reason: "demo",
		})
	}
	return out
}

func demoPeer(description string, s demo.Server, enterprise, version, address string) domain.AddPeer {
	p := domain.AddPeer{
		Type: events.PeerMiCollab, Description: description,
		Hostname: domain.Give(s.Hostname), Port: domain.Give(s.Port), PeerEnterpriseID: domain.Give(enterprise),
	}
	if version != "" {
		p.Version = domain.Give(version)
	}
	if address != "" {
		p.Address = domain.Give(address)
	}
	return p
}

// addDemo makes the demo unless it was made before and returns the sequence of
// its last event. It may be called again after any error, and changes nothing
// when the enterprise was registered long ago: what its administrator deleted
// stays deleted.
func addDemo(ctx context.Context, kit *demo.Kit, handle func(context.Context, command.Request) (command.Receipt, error)) (events.Seq, error) {
	var last events.Seq
	for i, r := range demoCommands(kit) {
		receipt, err := handle(ctx, r)
		var refused *domain.Error
		switch {
		case err == nil:
			last = max(last, receipt.Sequence)
		case !errors.As(err, &refused):
			return 0, fmt.Errorf("demo: %s: %w", r.ID, err)
		case i == 0: // somebody has an enterprise of that name
			return 0, nil
		}
	}
	return last, nil
}

// addDemo adds the demo and says when it has.
func (p *process) addDemo(ctx context.Context, h *command.Handler) error {
	return untilItWorks(ctx, p.log, "the demo", never, func(ctx context.Context) error {
		last, err := addDemo(ctx, p.demo, h.Handle)
		if err == nil {
			p.demoEnd.keep(last)
		}
		return err
	})
}

// serveDemo serves the demo's peers.
func (p *process) serveDemo(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return p.demo.Run(ctx, program, p.log)
}

// DemoPeer returns the hidden command that is one server of the demo.
func DemoPeer() *cobra.Command {
	return &cobra.Command{
		Use: demo.Subcommand, Hidden: true, Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		Short: "Serve one peer of the demo, as read from standard input",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Main(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
