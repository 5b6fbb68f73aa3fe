package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

// peerOrder is a command to the peer that the second argument names.
func (c *console) peerOrder(cmd *cobra.Command, check func(*cobra.Command, []string) error,
	do func(ctx context.Context, api *client.Client, p client.Peer, args []string, opts ...client.WriteOption) (client.Receipt, string, error),
) *cobra.Command {
	return c.completions(c.writeCommand(cmd, order{
		check: check,
		do: func(cmd *cobra.Command, api *client.Client, args []string, opts ...client.WriteOption) (client.Receipt, string, error) {
			p, err := findPeer(cmd.Context(), api, client.EnterpriseID(args[0]), args[1])
			if err != nil {
				return client.Receipt{}, "", err
			}
			return do(cmd.Context(), api, p, args, opts...)
		},
	}), enterpriseNames, peerNames)
}

// edit is a command that changes one field of a peer to its last argument.
type edit struct {
	name, value  string // value is the argument in the help, in brackets when it may be left out
	short, long  string
	example, did string
	set          func(p *client.PeerPatch, value string)
	cleared      string // did, when the value is empty or left out
}

func (c *console) peerEdits() []*cobra.Command {
	var out []*cobra.Command
	for _, e := range []edit{
		{
			name: "rename", value: "DESCRIPTION", short: "Change the description", example: "Vienna-Old",
			did: "Renamed the peer %q to %q", set: func(p *client.PeerPatch, v string) { p.Description = &v },
		},
		{
			name: "set-enterprise", value: "ENTERPRISE-ID", short: "Change the enterprise on the other server", example: "vienna-hq",
			did: "Set the peer enterprise of %q to %q", set: func(p *client.PeerPatch, v string) { p.PeerEnterpriseID = &v },
		},
		{
			name: "set-prefix", value: "[PREFIX]", short: "Change the dialing prefix", example: "81",
			long: `Changes the dialing prefix. An empty PREFIX, or none, withdraws it.`,
			did:  "Set the dialing prefix of %q to %q", cleared: "Withdrew the dialing prefix of %q",
			set: func(p *client.PeerPatch, v string) { p.DialingPrefix = orNull(&v) },
		},
		{
			name: "set-version", value: "[VERSION]", short: "Enter the version by hand", example: "9.8",
			long: `Enters the version by hand; a detected one replaces it. An empty VERSION, or
none, withdraws it: the version is not known.`,
			did: "Set the version of %q to %q", cleared: "Withdrew the version of %q",
			set: func(p *client.PeerPatch, v string) { p.Version = orNull(&v) },
		},
	} {
		out = append(out, c.peerEdit(e))
	}
	return append(out, c.peerSetAddress(), c.peerSetHostname())
}

func (c *console) peerEdit(e edit) *cobra.Command {
	return c.peerOrder(&cobra.Command{
		Use: e.name + " ENTERPRISE PEER " + e.value, Short: e.short, Long: e.long,
		Args:    arguments("ENTERPRISE", "PEER", e.value),
		Example: "  peering peer " + e.name + " demo-acme Vienna " + e.example,
	}, nil, func(ctx context.Context, api *client.Client, p client.Peer, args []string, opts ...client.WriteOption) (client.Receipt, string, error) {
		var value string
		if len(args) > 2 {
			value = args[2]
		}
		did := fmt.Sprintf(e.did, p.Description, value)
		if value == "" {
			did = cleared(p, e.cleared)
		}
		var patch client.PeerPatch
		e.set(&patch, value)
		r, err := api.EditPeer(ctx, p.Enterprise, p.ID, patch, opts...)
		return r, did, err
	})
}

// cleared says that a value of p was withdrawn. An external peer never had one,
// and the server takes that without a word.
func cleared(p client.Peer, did string) string {
	if p.Type == client.PeerExternal {
		return fmt.Sprintf("Nothing to change: %q is external and has no such value", p.Description)
	}
	return fmt.Sprintf(did, p.Description)
}

func (c *console) peerSetAddress() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use: "set-address ENTERPRISE PEER [ADDRESS]", Short: "Change the address, with the trusted-server entry",
		Args: arguments("ENTERPRISE", "PEER", "[ADDRESS]"),
		Long: `Changes the address at which the peer connects, and with it the host of its
trusted-server entry.

With --follow, or without an ADDRESS, the peer has no address of its own any
more: address and trusted-server entry follow its hostname again.`,
		Example: "  peering peer set-address demo-acme Vienna 198.51.100.7\n  peering peer set-address demo-acme Vienna --follow",
	}
	cmd.Flags().BoolVar(&follow, "follow", false, "follow the hostname again")
	return c.peerOrder(cmd, func(_ *cobra.Command, args []string) error {
		switch {
		case follow && len(args) > 2:
			return usage("an ADDRESS and --follow exclude each other")
		case len(args) > 2 && args[2] == "": // a variable that was not set must not move trust
			return usage("ADDRESS is empty; --follow makes it follow the hostname")
		}
		return nil
	}, func(ctx context.Context, api *client.Client, p client.Peer, args []string, opts ...client.WriteOption) (client.Receipt, string, error) {
		address := ""
		did := cleared(p, "The address of %q follows its hostname again")
		if len(args) > 2 {
			address = args[2]
			did = fmt.Sprintf("Set the address of %q to %q", p.Description, address)
		}
		if p.Enabled && p.Type != client.PeerExternal {
			did += "; its trusted-server entry as well"
		}
		r, err := api.EditPeer(ctx, p.Enterprise, p.ID, client.PeerPatch{Address: orNull(&address)}, opts...)
		return r, did, err
	})
}

func (c *console) peerSetHostname() *cobra.Command {
	cmd := &cobra.Command{
		Use: "set-hostname ENTERPRISE PEER HOSTNAME", Short: "Change the hostname, and the port",
		Args: arguments("ENTERPRISE", "PEER", "HOSTNAME"),
		Long: `Changes the hostname. A peer without an address of its own takes its
trusted-server entry along.`,
		Example: "  peering peer set-hostname demo-acme Vienna uc2.vienna.example",
	}
	cmd.Flags().Int("port", 0, "the port as well")
	return c.peerOrder(cmd, nil, func(ctx context.Context, api *client.Client, p client.Peer, args []string, opts ...client.WriteOption) (client.Receipt, string, error) {
		patch := client.PeerPatch{Hostname: &args[2]}
		if port := givenInt(cmd, "port"); port != nil {
			patch.Port = client.Value(*port)
		}
		r, err := api.EditPeer(ctx, p.Enterprise, p.ID, patch, opts...)
		return r, fmt.Sprintf("Set the hostname of %q to %q", p.Description, args[2]), err
	})
}

// peerSwitches are the commands to a peer without a value.
func (c *console) peerSwitches() []*cobra.Command {
	var out []*cobra.Command
	for _, s := range []struct {
		name, short, did string
		do               func(*client.Client, context.Context, client.EnterpriseID, client.PeerID, ...client.WriteOption) (client.Receipt, error)
	}{
		{"enable", "Enable a peer: its trusted-server entry is there again", "Enabled the peer %q", (*client.Client).EnablePeer},
		{"disable", "Disable a peer: it stays, its trusted-server entry does not", "Disabled the peer %q", (*client.Client).DisablePeer},
		{"delete", "Delete a peer with its trusted-server entry", "Deleted the peer %q", (*client.Client).DeletePeer},
	} {
		out = append(out, c.peerOrder(&cobra.Command{
			Use: s.name + " ENTERPRISE PEER", Short: s.short, Args: arguments("ENTERPRISE", "PEER"),
			Example: "  peering peer " + s.name + ` demo-acme Vienna --reason "branch closed"`,
		}, nil, func(ctx context.Context, api *client.Client, p client.Peer, args []string, opts ...client.WriteOption) (client.Receipt, string, error) {
			r, err := s.do(api, ctx, p.Enterprise, p.ID, opts...)
			return r, fmt.Sprintf(s.did, p.Description), err
		}))
	}
	return out
}
