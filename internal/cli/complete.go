package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

// completeWithin is how long somebody who pressed the tabulator waits.
const completeWithin = 2 * time.Second

// candidates names what the next argument may be.
type candidates func(ctx context.Context, api *client.Client, args []string, q string) ([]string, error)

// completions completes the arguments of cmd, the first by the first of each.
// Where the server does not answer there is nothing to suggest.
func (c *console) completions(cmd *cobra.Command, each ...candidates) *cobra.Command {
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
		const none = cobra.ShellCompDirectiveNoFileComp
		if len(args) >= len(each) {
			return nil, none
		}
		return c.suggest(cmd, each[len(args)], args, start), none
	}
	return cmd
}

// completeFlag completes the values of a flag by what the server has. It panics
// when there is no such flag: a bug found at start.
func (c *console) completeFlag(cmd *cobra.Command, flag string, of candidates) {
	if err := cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
		return c.suggest(cmd, of, args, start), cobra.ShellCompDirectiveNoFileComp
	}); err != nil {
		panic(err)
	}
}

// suggest returns the candidates that begin with start, in any case.
func (c *console) suggest(cmd *cobra.Command, of candidates, args []string, start string) []string {
	api, err := c.client(client.WithRetries(1, completeWithin))
	if err != nil {
		return nil
	}
	parent := cmd.Context()
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithTimeout(parent, completeWithin)
	defer cancel()
	names, err := of(ctx, api, args, start)
	if err != nil {
		return nil
	}
	var fit []string
	for _, n := range names {
		if len(n) >= len(start) && strings.EqualFold(n[:len(start)], start) {
			fit = append(fit, n)
		}
	}
	return fit
}

func enterpriseNames(ctx context.Context, api *client.Client, _ []string, q string) ([]string, error) {
	page, err := api.Enterprises(ctx, client.ListQuery{Q: q})
	return names(page, err, func(e client.Enterprise) string { return string(e.ID) })
}

func peerNames(ctx context.Context, api *client.Client, args []string, q string) ([]string, error) {
	page, err := api.Peers(ctx, client.EnterpriseID(args[0]), client.PeerQuery{ListQuery: client.ListQuery{Q: q}})
	return names(page, err, func(p client.Peer) string { return p.Description })
}

func trustedServerNames(ctx context.Context, api *client.Client, args []string, q string) ([]string, error) {
	page, err := api.TrustedServers(ctx, client.EnterpriseID(args[0]), client.TrustedServerQuery{ListQuery: client.ListQuery{Q: q}})
	return names(page, err, func(t client.TrustedServer) string { return t.Description })
}

func names[T any](page client.Page[T], err error, name func(T) string) ([]string, error) {
	if err != nil {
		return nil, err
	}
	var out []string
	for _, row := range page.Items {
		out = append(out, name(row))
	}
	return out, nil
}

// complete completes the values of a flag. It panics when there is no such flag:
// a bug found at start.
func complete(cmd *cobra.Command, flag string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}
