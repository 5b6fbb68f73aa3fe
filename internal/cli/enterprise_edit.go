package cli

import (
	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

// enterpriseEdit is a command that changes an enterprise; patch says to what.
func (c *console) enterpriseEdit(cmd *cobra.Command, did string, patch func(cmd *cobra.Command, args []string) client.EnterprisePatch,
	check func(cmd *cobra.Command, args []string) error,
) *cobra.Command {
	return c.completions(c.writeCommand(cmd, order{
		check: check,
		do: func(cmd *cobra.Command, api *client.Client, args []string, opts ...client.WriteOption) (client.Receipt, string, error) {
			r, err := api.EditEnterprise(cmd.Context(), client.EnterpriseID(args[0]), patch(cmd, args), opts...)
			return r, did, err
		},
	}), enterpriseNames)
}

func (c *console) enterpriseDescribe() *cobra.Command {
	return c.enterpriseEdit(&cobra.Command{
		Use: "describe ENTERPRISE DESCRIPTION", Short: "Change the description", Args: arguments("ENTERPRISE", "DESCRIPTION"),
		Example: `  peering enterprise describe acme "Acme, head office"`,
	}, "Changed the description of the enterprise", func(_ *cobra.Command, args []string) client.EnterprisePatch {
		return client.EnterprisePatch{Description: &args[1]}
	}, nil)
}

func (c *console) enterpriseSetDomain() *cobra.Command {
	return c.enterpriseEdit(&cobra.Command{
		Use: "set-domain ENTERPRISE DOMAIN", Short: "Change the domain", Args: arguments("ENTERPRISE", "DOMAIN"),
		Example: "  peering enterprise set-domain acme acme.example",
	}, "Changed the domain of the enterprise", func(_ *cobra.Command, args []string) client.EnterprisePatch {
		return client.EnterprisePatch{Domain: &args[1]}
	}, nil)
}

func (c *console) enterpriseSetServer() *cobra.Command {
	cmd := &cobra.Command{
		Use: "set-server ENTERPRISE", Short: "Change the local server", Args: arguments("ENTERPRISE"),
		Long: `Changes what is given of the local server, and keeps the rest. An empty --address
or --version withdraws it.`,
		Example: "  peering enterprise set-server acme --version 9.8.1 --address 192.0.2.11",
	}
	serverFlags(cmd)
	return c.enterpriseEdit(cmd, "Changed the server of the enterprise", func(cmd *cobra.Command, _ []string) client.EnterprisePatch {
		return client.EnterprisePatch{Server: &client.ServerPatch{
			Hostname: given(cmd, "hostname"), Deployment: given(cmd, "deployment"),
			Address: orNull(given(cmd, "address")), Version: orNull(given(cmd, "version")),
		}}
	}, func(cmd *cobra.Command, _ []string) error {
		return anyOf(cmd, "hostname", "address", "version", "deployment")
	})
}

func (c *console) enterpriseRemove() *cobra.Command {
	return c.completions(c.writeCommand(&cobra.Command{
		Use: "remove ENTERPRISE", Short: "Remove an enterprise that has no peers", Args: arguments("ENTERPRISE"),
		Example: `  peering enterprise remove acme --reason "moved to another deployment"`,
	}, order{
		do: func(cmd *cobra.Command, api *client.Client, args []string, opts ...client.WriteOption) (client.Receipt, string, error) {
			r, err := api.RemoveEnterprise(cmd.Context(), client.EnterpriseID(args[0]), opts...)
			return r, "Removed the enterprise", err
		},
	}), enterpriseNames)
}

// orNull makes a field of a patch of what a person gave: nothing keeps it, an
// empty text withdraws it.
func orNull(s *string) *client.Nullable[string] {
	switch {
	case s == nil:
		return nil
	case *s == "":
		return client.Null[string]()
	}
	return client.Value(*s)
}
