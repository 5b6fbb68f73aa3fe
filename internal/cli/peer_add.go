package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

func (c *console) peerAdd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "add ENTERPRISE", Short: "Add a peer", Args: arguments("ENTERPRISE"),
		Long: `Adds a peer. A micollab peer brings its trusted-server entry with it; without
--address both follow the hostname. An external peer has a description and
nothing else.`,
		Example: `  peering peer add demo-acme --type micollab --description Vienna \
    --hostname uc.vienna.example --peer-enterprise-id vienna
  peering peer add demo-acme --type external --description "Partner XMPP"`,
	}
	flags := cmd.Flags()
	flags.String("type", "", "micollab or external")
	flags.String("description", "", "what people call it, unique in the enterprise")
	flags.String("hostname", "", "FQDN of its server, as in its certificate")
	flags.String("peer-enterprise-id", "", "the enterprise on the other server")
	flags.Int("port", 0, "port of its server (default 443)")
	flags.String("address", "", "IP address or FQDN at which it connects; left out: follows the hostname")
	flags.String("dialing-prefix", "", "at most 20 of 0-9 * #")
	flags.String("version", "", "its version, as far as it is known")
	complete(cmd, "type", client.PeerMiCollab, client.PeerExternal)
	return c.completions(c.writeCommand(cmd, order{
		adds: true,
		check: func(cmd *cobra.Command, _ []string) error {
			need := []string{"type", "description", "hostname", "peer-enterprise-id"}
			if kind := given(cmd, "type"); kind != nil && *kind != client.PeerMiCollab {
				need = need[:2]
			}
			return required(cmd, need...)
		},
		do: func(cmd *cobra.Command, api *client.Client, args []string, opts ...client.WriteOption) (client.Receipt, string, error) {
			p := client.NewPeer{
				Type: *given(cmd, "type"), Description: *given(cmd, "description"),
				Hostname: given(cmd, "hostname"), PeerEnterpriseID: given(cmd, "peer-enterprise-id"),
				Address: given(cmd, "address"), DialingPrefix: given(cmd, "dialing-prefix"), Version: given(cmd, "version"),
				Port: givenInt(cmd, "port"),
			}
			r, err := api.AddPeer(cmd.Context(), client.EnterpriseID(args[0]), p, opts...)
			return r, fmt.Sprintf("Added the peer %q", p.Description), err
		},
	}), enterpriseNames)
}

// givenInt is given for a number.
func givenInt(cmd *cobra.Command, name string) *int {
	n, err := cmd.Flags().GetInt(name)
	if err != nil || !cmd.Flags().Changed(name) {
		return nil
	}
	return &n
}
