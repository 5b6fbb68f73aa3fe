package cli

import (
	"bytes"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

func presenceColumns() []column[client.PresenceStep] {
	type s = client.PresenceStep
	return []column[s]{
		{field: "step", value: func(s s) any { return s.Step }},
		{field: "result", value: func(s s) any { return s.Result }},
		{field: "evidence", value: func(s s) any { return s.Evidence }},
		{field: "fix", wide: true, value: func(s s) any { return s.Fix }},
	}
}

func (c *console) peerPresence() *cobra.Command {
	cmd := &cobra.Command{
		Use: "presence-check ENTERPRISE PEER", Short: "Find out why presence does not show", Args: arguments("ENTERPRISE", "PEER"),
		Long: `Goes through what the presence of a peer needs, in the order in which it is worth
repairing: how it is, how that is known, and below it what to do. Nothing is
probed; "peer probe" does that. Exit code 0 whatever the checks say: with -o json
or csv a script reads them.`,
		Example: "  peering peer presence-check demo-acme Berlin",
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, p, err := c.namedPeer(cmd, args)
		if err != nil {
			return err
		}
		var body bytes.Buffer
		r, err := api.CheckPresence(cmd.Context(), p.Enterprise, p.ID, client.Body(&body))
		switch {
		case err != nil:
			return err
		case c.format == formatJSON:
			return printBody(cmd.OutOrStdout(), &body)
		case c.format == formatTable:
			r.Checks = withFixes(r.Checks)
		}
		return printList(cmd.OutOrStdout(), c.format, presenceColumns(), r.Checks)
	}
	return c.completions(cmd, enterpriseNames, peerNames)
}

// withFixes puts what is to be done on a line of its own below the step: both
// are sentences, and side by side they are wider than any terminal. What is to be
// done about several steps stands once, below the last of them.
func withFixes(list []client.PresenceStep) []client.PresenceStep {
	var out []client.PresenceStep
	for i, s := range list {
		repeated := i+1 < len(list) && list[i+1].Fix == s.Fix
		if out = append(out, s); s.Fix != "" && !repeated {
			out = append(out, client.PresenceStep{Evidence: "→ " + s.Fix})
		}
	}
	return out
}
