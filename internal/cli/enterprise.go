package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

func (c *console) enterprise() *cobra.Command {
	cmd := &cobra.Command{Use: "enterprise", Short: "Enterprises, to which everything belongs"}
	cmd.AddCommand(
		c.enterpriseList(), c.enterpriseShow(), c.enterpriseRegister(),
		c.enterpriseDescribe(), c.enterpriseSetDomain(), c.enterpriseSetServer(), c.enterpriseRemove(),
	)
	return cmd
}

func enterpriseColumns() []column[client.Enterprise] {
	type e = client.Enterprise
	return []column[e]{
		{field: "id", value: func(e e) any { return key(e.ID) }},
		{field: "description", value: func(e e) any { return e.Description }},
		{field: "domain", value: func(e e) any { return e.Domain }},
		{field: "server.hostname", value: func(e e) any { return e.Server.Hostname }},
		{field: "server.address", value: func(e e) any { return e.Server.Address }},
		{field: "server.version", value: func(e e) any { return e.Server.Version }},
		{field: "server.deployment", value: func(e e) any { return e.Server.Deployment }},
		{field: "peers", value: func(e e) any { return e.Peers.Total }},
		{field: "peers.by_status", value: func(e e) any { return counts(e.Peers.ByStatus) }},
		{field: "warnings", value: func(e e) any { return warnings(e.Warnings) }},
		{field: "revision", wide: true, value: func(e e) any { return e.Revision }},
		{field: "updated_at", wide: true, value: func(e e) any { return e.UpdatedAt }},
	}
}

func counts(byStatus map[string]int) string {
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(byStatus)) {
		parts = append(parts, fmt.Sprintf("%d %s", byStatus[status], status))
	}
	return strings.Join(parts, ", ")
}

func warnings(all []client.Warning) string {
	var parts []string
	for _, w := range all {
		parts = append(parts, w.Message)
	}
	return strings.Join(parts, "; ")
}

func (c *console) enterpriseList() *cobra.Command {
	return listCommand(c, &cobra.Command{
		Use: "list", Short: "List enterprises", Args: arguments(),
		Example: "  peering enterprise list --sort -peers",
	}, listing[client.Enterprise]{
		columns: enterpriseColumns,
		fetch: func(ctx context.Context, api *client.Client, _ []string, q client.ListQuery, opts ...client.ReadOption) (client.Page[client.Enterprise], error) {
			return api.Enterprises(ctx, q, opts...)
		},
		empty: func([]string) string {
			return "No enterprises yet. Register one: peering enterprise register --help"
		},
		sorts: []string{
			"id", "description", "domain", "server", "server.hostname", "server.address", "server.version",
			"server.deployment", "peers", "peers.total", "revision", "updated_at",
		},
	})
}

func (c *console) enterpriseShow() *cobra.Command {
	return c.completions(showCommand(c, &cobra.Command{
		Use: "show ENTERPRISE", Short: "Show an enterprise", Args: arguments("ENTERPRISE"),
		Example: "  peering enterprise show demo-acme",
	}, enterpriseColumns(), func(ctx context.Context, api *client.Client, args []string, opts ...client.ReadOption) (client.Enterprise, error) {
		return api.Enterprise(ctx, client.EnterpriseID(args[0]), opts...)
	}), enterpriseNames)
}

// serverFlags are the flags that describe the local server of an enterprise.
func serverFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.String("hostname", "", "FQDN of the local server")
	flags.String("address", "", "its IP address, or FQDN")
	flags.String("version", "", "its version, such as 9.8")
	flags.String("deployment", "", "standard, or micloud-flex-gcp where peering is not supported")
	complete(cmd, "deployment", "standard", "micloud-flex-gcp")
}

func (c *console) enterpriseRegister() *cobra.Command {
	cmd := &cobra.Command{
		Use: "register ENTERPRISE", Short: "Register an enterprise", Args: arguments("ENTERPRISE"),
		Long: `Registers an enterprise. Its id has 4 to 32 letters, digits and dashes and never
changes.`,
		Example: `  peering enterprise register acme --description "Acme headquarters" --domain acme.example \
    --hostname uc1.acme.example --address 192.0.2.10 --version 9.8`,
	}
	cmd.Flags().String("description", "", "what people call it")
	cmd.Flags().String("domain", "", "its domain, such as acme.example")
	serverFlags(cmd)
	return c.writeCommand(cmd, order{
		adds: true,
		check: func(cmd *cobra.Command, _ []string) error {
			return required(cmd, "description", "domain", "hostname")
		},
		do: func(cmd *cobra.Command, api *client.Client, args []string, opts ...client.WriteOption) (client.Receipt, string, error) {
			text := func(name string) string { return cmd.Flags().Lookup(name).Value.String() }
			r, err := api.RegisterEnterprise(cmd.Context(), client.NewEnterprise{
				ID: client.EnterpriseID(args[0]), Description: text("description"), Domain: text("domain"),
				Server: client.Server{Hostname: text("hostname"), Address: text("address"), Version: text("version"), Deployment: text("deployment")},
			}, opts...)
			return r, "Registered the enterprise", err
		},
	})
}
