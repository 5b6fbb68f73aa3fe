package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

func (c *console) trustedServer() *cobra.Command {
	cmd := &cobra.Command{
		Use: "trusted", Short: "Servers that may connect without authentication",
		Long: `The trusted servers: who may connect to an enterprise without authentication. A
peer brings its own entry, which follows it; others are added by hand. ENTRY is
the id of one or its description, in any case.`,
	}
	cmd.AddCommand(c.trustedServerList(), c.trustedServerShow(), c.trustedServerAdd(), c.trustedServerEdit(), c.trustedServerRemove())
	return cmd
}

func trustedServerColumns(ofAll bool) []column[client.TrustedServer] {
	type t = client.TrustedServer
	return []column[t]{
		{field: "enterprise", wide: !ofAll, value: func(t t) any { return key(t.Enterprise) }},
		{field: "description", value: func(t t) any { return t.Description }},
		{field: "host", value: func(t t) any { return t.Host }},
		{field: "type", value: func(t t) any { return t.Type }},
		{field: "origin", value: func(t t) any { return t.Origin }},
		{field: "since", value: func(t t) any { return t.Since.Time }},
		{field: "since.actor", value: func(t t) any { return t.Since.Actor }},
		{field: "since.reason", value: func(t t) any { return t.Since.Reason }},
		{field: "since.sequence", wide: true, value: func(t t) any { return t.Since.Sequence }},
		{field: "peer_id", wide: true, value: func(t t) any { return key(t.PeerID) }},
		{field: "revision", wide: true, value: func(t t) any { return t.Revision }},
		{field: "updated_at", wide: true, value: func(t t) any { return t.UpdatedAt }},
		{field: "id", wide: true, value: func(t t) any { return key(t.ID) }},
	}
}

func (c *console) trustedServerList() *cobra.Command {
	var q client.TrustedServerQuery
	ofAll := false
	cmd := &cobra.Command{
		Use: "list [ENTERPRISE]", Short: "List the trusted servers of an enterprise, or of all",
		Args: func(cmd *cobra.Command, args []string) error {
			ofAll = len(args) == 0
			return optionalArguments("ENTERPRISE")(cmd, args)
		},
		Example: "  peering trusted list demo-acme\n  peering trusted list --origin manual --all",
	}
	flags := cmd.Flags()
	flags.StringVar(&q.Type, "type", "", "only entries of this type: presence, im, peer")
	flags.StringVar(&q.Origin, "origin", "", "only entries of this origin: manual, peer")
	flags.StringVar(&q.Host, "host", "", "only entries of exactly this host")
	complete(cmd, "type", "presence", "im", "peer")
	complete(cmd, "origin", client.OriginManual, client.OriginPeer)
	return c.completions(listCommand(c, cmd, listing[client.TrustedServer]{
		columns: func() []column[client.TrustedServer] { return trustedServerColumns(ofAll) },
		fetch: func(ctx context.Context, api *client.Client, args []string, l client.ListQuery, opts ...client.ReadOption) (client.Page[client.TrustedServer], error) {
			q.ListQuery = l
			if ofAll {
				return api.TrustedServersOfAll(ctx, q, opts...)
			}
			return api.TrustedServers(ctx, client.EnterpriseID(args[0]), q, opts...)
		},
		empty: func([]string) string {
			return "No server may connect without authentication. A micollab peer brings its entry with it (peering peer add --help); others: peering trusted add --help"
		},
		sorts: []string{
			"id", "enterprise", "description", "host", "type", "origin", "peer_id", "revision", "updated_at", "since",
		},
	}), enterpriseNames)
}

func (c *console) trustedServerShow() *cobra.Command {
	return c.completions(showCommand(c, &cobra.Command{
		Use: "show ENTERPRISE ENTRY", Short: "Show a trusted server", Args: arguments("ENTERPRISE", "ENTRY"),
		Example: "  peering trusted show demo-acme Berlin",
	}, trustedServerColumns(true), func(ctx context.Context, api *client.Client, args []string, opts ...client.ReadOption) (client.TrustedServer, error) {
		ent := client.EnterpriseID(args[0])
		t, err := findTrustedServer(ctx, api, ent, args[1])
		if err != nil {
			return client.TrustedServer{}, err
		}
		return api.TrustedServer(ctx, ent, t.ID, opts...)
	}), enterpriseNames, trustedServerNames)
}

func trustedServerFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.String("description", "", "what people call it")
	flags.String("host", "", "IP address or FQDN")
	flags.String("type", "", "what it may: presence, im or peer")
	complete(cmd, "type", "presence", "im", "peer")
}

func (c *console) trustedServerAdd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "add ENTERPRISE", Short: "Trust a server by hand", Args: arguments("ENTERPRISE"),
		Example: `  peering trusted add demo-acme --description "Presence gateway" --host 192.0.2.30 --type presence`,
	}
	trustedServerFlags(cmd)
	return c.completions(c.writeCommand(cmd, order{
		adds: true,
		check: func(cmd *cobra.Command, _ []string) error {
			return required(cmd, "description", "host", "type")
		},
		do: func(cmd *cobra.Command, api *client.Client, args []string, opts ...client.WriteOption) (client.Receipt, string, error) {
			t := client.NewTrustedServer{Description: *given(cmd, "description"), Host: *given(cmd, "host"), Type: *given(cmd, "type")}
			r, err := api.AddTrustedServer(cmd.Context(), client.EnterpriseID(args[0]), t, opts...)
			return r, fmt.Sprintf("Added the trusted server %q", t.Description), err
		},
	}), enterpriseNames)
}

// trustedServerOrder is a command to the entry that the second argument names.
func (c *console) trustedServerOrder(cmd *cobra.Command, check func(*cobra.Command, []string) error, did string,
	do func(ctx context.Context, api *client.Client, t client.TrustedServer, opts ...client.WriteOption) (client.Receipt, error),
) *cobra.Command {
	return c.completions(c.writeCommand(cmd, order{
		check: check,
		do: func(cmd *cobra.Command, api *client.Client, args []string, opts ...client.WriteOption) (client.Receipt, string, error) {
			t, err := findTrustedServer(cmd.Context(), api, client.EnterpriseID(args[0]), args[1])
			if err != nil {
				return client.Receipt{}, "", err
			}
			r, err := do(cmd.Context(), api, t, opts...)
			return r, fmt.Sprintf(did, t.Description), err
		},
	}), enterpriseNames, trustedServerNames)
}

func (c *console) trustedServerEdit() *cobra.Command {
	cmd := &cobra.Command{
		Use: "edit ENTERPRISE ENTRY", Short: "Change a trusted server", Args: arguments("ENTERPRISE", "ENTRY"),
		Long: `Changes what is given. On the entry of a peer only the description can change
here: its host follows the peer (peering peer set-address).`,
		Example: `  peering trusted edit demo-acme "Presence gateway" --host gw2.acme.example`,
	}
	trustedServerFlags(cmd)
	return c.trustedServerOrder(cmd, func(cmd *cobra.Command, _ []string) error {
		return anyOf(cmd, "description", "host", "type")
	}, "Changed the trusted server %q", func(ctx context.Context, api *client.Client, t client.TrustedServer, opts ...client.WriteOption) (client.Receipt, error) {
		return api.EditTrustedServer(ctx, t.Enterprise, t.ID, client.TrustedServerPatch{
			Description: given(cmd, "description"), Host: given(cmd, "host"), Type: given(cmd, "type"),
		}, opts...)
	})
}

func (c *console) trustedServerRemove() *cobra.Command {
	return c.trustedServerOrder(&cobra.Command{
		Use: "remove ENTERPRISE ENTRY", Short: "Remove a trusted server that was added by hand", Args: arguments("ENTERPRISE", "ENTRY"),
		Long:    "Removes an entry that was added by hand. That of a peer goes with its peer alone.",
		Example: `  peering trusted remove demo-acme "Presence gateway"`,
	}, nil, "Removed the trusted server %q", func(ctx context.Context, api *client.Client, t client.TrustedServer, opts ...client.WriteOption) (client.Receipt, error) {
		return api.RemoveTrustedServer(ctx, t.Enterprise, t.ID, opts...)
	})
}
