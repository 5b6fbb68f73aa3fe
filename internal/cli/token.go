package cli

import (
	"bytes"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

func (c *console) tokens() *cobra.Command {
	cmd := &cobra.Command{
		Use: "token", Short: "Tokens: who may do what",
		Long: `The tokens: each has one role, for one enterprise or for all. While there is none,
callers on the server's own machine may do everything, and nobody else anything.

Roles, each with what it says and no more:
  viewer    reads
  operator  reads, and changes enterprises and peers
  security  reads, and keeps the trusted servers that were added by hand, not peers
  auditor   reads, also the history
  admin     may do everything`,
	}
	cmd.AddCommand(c.tokenCreate(), c.tokenList(), c.tokenRevoke())
	return cmd
}

func roles() []string {
	return []string{client.RoleViewer, client.RoleOperator, client.RoleSecurity, client.RoleAuditor, client.RoleAdmin}
}

func (c *console) tokenCreate() *cobra.Command {
	var t client.NewToken
	cmd := &cobra.Command{
		Use: "create", Short: "Make a token, and print it once", Args: arguments(),
		Long: `Makes a token and prints it. It is kept nowhere and cannot be shown again: whoever
loses it makes another one and revokes this one by its id.

The first token must be an admin one for all enterprises. From then on callers on
the server's own machine need a token too.`,
		Example: `  peering token create --role admin --note "head of operations"
  peering token create --role operator --enterprise demo-acme --note provisioning`,
	}
	flags := cmd.Flags()
	flags.StringVar(&t.Role, "role", "", "what it may, see peering token --help: viewer, operator, security, auditor or admin")
	flags.StringVar((*string)(&t.Enterprise), "enterprise", "", "the only `enterprise` that it is for (default: all)")
	flags.StringVar(&t.Note, "note", "", "what it is for, at most 100 characters; the history shows it")
	complete(cmd, "role", roles()...)
	c.completeFlag(cmd, "enterprise", enterpriseNames)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := required(cmd, "role"); err != nil {
			return err
		}
		if cmd.Flags().Changed("enterprise") && t.Enterprise == "" {
			return usage("--enterprise is empty; without it the token is for all enterprises")
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		var body bytes.Buffer
		made, err := api.CreateToken(cmd.Context(), t, client.Body(&body))
		if err != nil {
			if perhapsMade(err) {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning: a token may have been made that nobody has: look for it with peering token list, and revoke it")
			}
			return err
		}
		return c.printCreated(cmd, made, &body)
	}
	return cmd
}

// perhapsMade reports whether the request has left, and it is not known what
// became of it.
func perhapsMade(err error) bool {
	e := apiError(err)
	if e == nil {
		return false
	}
	switch e.Code {
	case client.CodeUnavailable, client.CodeUnexpected:
		return true
	case client.CodeNoAnswer:
		return !e.Unsent()
	}
	return false
}

func (c *console) printCreated(cmd *cobra.Command, made client.CreatedToken, body *bytes.Buffer) error {
	out := cmd.OutOrStdout()
	switch c.format {
	case formatJSON:
		return printBody(out, body)
	case formatCSV:
		return writeCSV(out, [][]string{{"id", "token"}, {made.ID, made.Token}})
	case formatTable:
	}
	if err := printOne(out, formatTable, []column[client.CreatedToken]{
		{field: "id", value: func(t client.CreatedToken) any { return t.ID }},
		{field: "token", value: func(t client.CreatedToken) any { return t.Token }},
	}, made); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.ErrOrStderr(), "The token is not shown again. Commands take it from %s.\n", envToken)
	return err
}

func tokenColumns(revoked bool) []column[client.Token] {
	type t = client.Token
	return []column[t]{
		{field: "id", value: func(t t) any { return key(t.ID) }},
		{field: "role", value: func(t t) any { return t.Role }},
		{field: "enterprise", value: func(t t) any { return key(t.Enterprise) }},
		{field: "note", value: func(t t) any { return t.Note }},
		{field: "created_at", spare: 2, value: func(t t) any { return t.CreatedAt }},
		{field: "created_by", spare: 1, value: func(t t) any { return t.CreatedBy }},
		{field: "last_used", value: func(t t) any { return t.LastUsed }},
		{field: "revoked_at", wide: !revoked, value: func(t t) any { return t.RevokedAt }},
		{field: "revoked_by", wide: !revoked, value: func(t t) any { return t.RevokedBy }},
	}
}

func (c *console) tokenList() *cobra.Command {
	var q client.TokenQuery
	cmd := &cobra.Command{
		Use: "list", Short: "List tokens, without what is secret of them", Args: arguments(),
		Long: `Lists the tokens that are good, or those that were revoked. One without an
enterprise is for all.`,
		Example: "  peering token list\n  peering token list --revoked --sort -revoked_at",
	}
	flags := cmd.Flags()
	flags.BoolVar(&q.Revoked, "revoked", false, "those that were revoked instead of the good ones")
	flags.StringVar((*string)(&q.Enterprise), "enterprise", "", "only those that are for this `enterprise` alone")
	c.completeFlag(cmd, "enterprise", enterpriseNames)
	return listCommand(c, cmd, listing[client.Token]{
		columns: func() []column[client.Token] { return tokenColumns(q.Revoked) },
		fetch: func(ctx context.Context, api *client.Client, _ []string, page client.ListQuery, opts ...client.ReadOption) (client.Page[client.Token], error) {
			q.ListQuery = page
			return api.Tokens(ctx, q, opts...)
		},
		empty: func([]string) string {
			return "There is no token: callers on the server's own machine may do everything. Make the first: peering token create --role admin"
		},
		sorts: []string{"id", "role", "enterprise", "note", "created_at", "created_by", "last_used", "revoked_at", "revoked_by"},
	})
}

func (c *console) tokenRevoke() *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "Revoke a token for good", Args: arguments("ID"),
		Long: `Revokes a token by its id, see peering token list. It is refused everywhere within
a second. The last admin token for all enterprises cannot be revoked: make
another one first.`,
		Example: "  peering token revoke 0198c5c8-7d1e-7a20-b3c4-5d6e7f8a9b0c",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			var body bytes.Buffer
			t, err := api.RevokeToken(cmd.Context(), args[0], client.Body(&body))
			if err != nil {
				return err
			}
			switch out := cmd.OutOrStdout(); c.format {
			case formatJSON:
				return printBody(out, &body)
			case formatCSV:
				return printOne(out, formatCSV, tokenColumns(true), t)
			default:
				_, err = fmt.Fprintf(out, "Revoked the token %s (role %s, revoked %s).\n", printable(t.ID), printable(t.Role), forTable(t.RevokedAt))
				return err
			}
		},
	}
	return c.completions(cmd, tokenIDs)
}

func tokenIDs(ctx context.Context, api *client.Client, _ []string, q string) ([]string, error) {
	page, err := api.Tokens(ctx, client.TokenQuery{ListQuery: client.ListQuery{Q: q}})
	return names(page, err, func(t client.Token) string { return t.ID })
}
