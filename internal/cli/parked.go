package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

func (c *console) parkedCommands() *cobra.Command {
	cmd := &cobra.Command{
		Use: "parked", Short: "Commands from the bus that could not be handled",
		Long: `Commands from the bus that could not be handled and were put aside, with the
reason. Each is decided about once: retried, or discarded. Decisions are kept for
90 days; see peering parked list --decided.`,
	}
	cmd.AddCommand(c.parkedList(), c.parkedShow(), c.parkedRetry(), c.parkedDiscard())
	return cmd
}

func parkedColumns() []column[client.ParkedCommand] {
	type p = client.ParkedCommand
	decision := func(part func(*client.ParkedDecision) any) func(p) any {
		return func(p p) any {
			if p.Decision == nil {
				return ""
			}
			return part(p.Decision)
		}
	}
	return []column[p]{
		{field: "sequence", value: func(p p) any { return p.Sequence }},
		{field: "parked_at", value: func(p p) any { return p.ParkedAt }},
		{field: "enterprise", value: func(p p) any { return key(p.Enterprise) }},
		{field: "command", value: func(p p) any { return key(p.Command) }},
		{field: "command_id", spare: 1, value: func(p p) any { return key(p.CommandID) }},
		{field: "code", value: func(p p) any { return key(p.Code) }},
		{field: "detail", spare: 3, value: func(p p) any { return p.Detail }},
		{field: "actor", spare: 2, value: func(p p) any { return p.Actor }},
		{field: "on_behalf_of", wide: true, value: func(p p) any { return p.OnBehalfOf }},
		{field: "reason", wide: true, value: func(p p) any { return p.Reason }},
		{field: "deliveries", wide: true, value: func(p p) any { return p.Deliveries }},
		{field: "subject", wide: true, value: func(p p) any { return p.Subject }},
		{field: "correlation_id", wide: true, value: func(p p) any { return key(p.CorrelationID) }},
		{field: "causation_id", wide: true, value: func(p p) any { return key(p.CausationID) }},
		{field: "body_size", wide: true, value: func(p p) any { return p.BodySize }},
		{field: "decision.action", wide: true, value: decision(func(d *client.ParkedDecision) any { return d.Action })},
		{field: "decision.by", wide: true, value: decision(func(d *client.ParkedDecision) any { return d.By })},
		{field: "decision.at", wide: true, value: decision(func(d *client.ParkedDecision) any { return d.At })},
		{field: "decision.reason", wide: true, value: decision(func(d *client.ParkedDecision) any { return d.Reason })},
		{field: "decision.carried_out", wide: true, value: decision(func(d *client.ParkedDecision) any { return d.CarriedOut })},
	}
}

// decidedColumns show who decided what and why, instead of what was wrong.
func decidedColumns() []column[client.ParkedCommand] {
	columns := parkedColumns()
	for i := range columns {
		switch c := &columns[i]; c.field {
		case "parked_at", "detail", "actor":
			c.wide = true
		case "decision.action", "decision.by", "decision.at", "decision.reason":
			c.wide = false
		}
	}
	return columns
}

// parkedOneColumns are those of one: its body and its outcome too.
func parkedOneColumns() []column[client.ParkedCommand] {
	type p = client.ParkedCommand
	outcome := func(part func(*client.ParkedOutcome) any) func(p) any {
		return func(p p) any {
			if p.Outcome == nil {
				return ""
			}
			return part(p.Outcome)
		}
	}
	return append(parkedColumns(),
		column[p]{field: "body_cut", value: func(p p) any { return p.BodyCut }},
		column[p]{field: "body", value: func(p p) any { return p.Body }},
		column[p]{field: "body_base64", value: func(p p) any { return key(base64.StdEncoding.EncodeToString(p.BodyBase64)) }},
		column[p]{field: "outcome.result", value: outcome(func(o *client.ParkedOutcome) any { return o.Result })},
		column[p]{field: "outcome.sequence", value: outcome(func(o *client.ParkedOutcome) any { return o.Sequence })},
		column[p]{field: "outcome.code", value: outcome(func(o *client.ParkedOutcome) any { return key(o.Code) })},
		column[p]{field: "outcome.detail", value: outcome(func(o *client.ParkedOutcome) any { return o.Detail })},
	)
}

func (c *console) parkedList() *cobra.Command {
	var q client.ParkedQuery
	cmd := &cobra.Command{
		Use: "list", Short: "List them", Args: arguments(),
		Example: "  peering parked list --enterprise demo-acme\n  peering parked list --decided",
	}
	flags := cmd.Flags()
	flags.StringVar((*string)(&q.Enterprise), "enterprise", "", "only those of this enterprise")
	flags.BoolVar(&q.Decided, "decided", false, "those that were decided about instead, with who, when and why")
	c.completeFlag(cmd, "enterprise", enterpriseNames)
	return listCommand(c, cmd, listing[client.ParkedCommand]{
		columns: func() []column[client.ParkedCommand] {
			if q.Decided {
				return decidedColumns()
			}
			return parkedColumns()
		},
		fetch: func(ctx context.Context, api *client.Client, _ []string, l client.ListQuery, opts ...client.ReadOption) (client.Page[client.ParkedCommand], error) {
			q.Limit, q.Cursor = l.Limit, l.Cursor
			return api.ParkedCommands(ctx, q, opts...)
		},
		empty:      func([]string) string { return "Every command was handled." },
		unsearched: true, unsorted: true,
	})
}

// parkedNames are the sequences of the commands that nobody decided about.
func parkedNames(ctx context.Context, api *client.Client, _ []string, _ string) ([]string, error) {
	page, err := api.ParkedCommands(ctx, client.ParkedQuery{})
	return names(page, err, func(p client.ParkedCommand) string { return strconv.FormatUint(uint64(p.Sequence), 10) })
}

func (c *console) parkedShow() *cobra.Command {
	return c.completions(showCommand(c, &cobra.Command{
		Use: "show SEQUENCE", Short: "Show one, with its body and its outcome", Args: arguments("SEQUENCE"),
		Example: "  peering parked show 12",
	}, parkedOneColumns(), func(ctx context.Context, api *client.Client, args []string, opts ...client.ReadOption) (client.ParkedCommand, error) {
		at, err := sequenceOf(args[0])
		if err != nil {
			return client.ParkedCommand{}, err
		}
		return api.ParkedCommand(ctx, at, opts...)
	}), parkedNames)
}

func (c *console) parkedRetry() *cobra.Command {
	return c.parkedDecision(&cobra.Command{
		Use: "retry SEQUENCE", Short: "Have one handled again", Args: arguments("SEQUENCE"),
		Long: `Has a parked command handled again, after its cause is gone: with its command id,
and on behalf of whom it came from. One that cannot be handled again is a new
parked command. Exit code 3 when it could have a second effect, or cannot end
otherwise than it did; 5 when it was discarded.`,
		Example: `  peering parked retry 12 --reason "the log has room again"`,
	}, (*client.Client).RetryParkedCommand, false)
}

func (c *console) parkedDiscard() *cobra.Command {
	return c.parkedDecision(&cobra.Command{
		Use: "discard SEQUENCE", Short: "Give one up", Args: arguments("SEQUENCE"),
		Long: `Gives a parked command up. Whoever waits for its outcome is told that it failed,
with the code discarded; one that it has already stands, and is shown. There is no
way back. Exit code 5 when it was retried.`,
		Example: `  peering parked discard 12 --reason "written by a test"`,
	}, (*client.Client).DiscardParkedCommand, true)
}

// parkedDecision makes cmd decide about a parked command.
func (c *console) parkedDecision(
	cmd *cobra.Command, decide func(*client.Client, context.Context, client.Seq, string, ...client.ReadOption) (client.ParkedCommand, error), needsReason bool,
) *cobra.Command {
	var reason string
	about := "why; kept"
	if needsReason {
		about += " (needed)"
	}
	cmd.Flags().StringVar(&reason, "reason", "", about)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if needsReason {
			if err := required(cmd, "reason"); err != nil {
				return err
			}
		}
		at, err := sequenceOf(args[0])
		if err != nil {
			return err
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		p, err := decide(api, cmd.Context(), at, reason)
		if err != nil {
			return err
		}
		return tellDecision(cmd.OutOrStdout(), p)
	}
	return c.completions(cmd, parkedNames)
}

// tellDecision says what was decided, and what came of it as far as is known.
func tellDecision(out io.Writer, p client.ParkedCommand) error {
	text := fmt.Sprintf("The command %d", p.Sequence)
	if d := p.Decision; d != nil {
		text += fmt.Sprintf(" was %s by %s.", d.Action, d.By)
		if !d.CarriedOut {
			text += " That is carried out as soon as it is possible."
		}
	}
	if o := p.Outcome; o != nil {
		text += " Its command id has ended: " + o.Result
		if o.Code != "" {
			text += " (" + o.Code + ")"
		}
		if o.Sequence != 0 {
			text += fmt.Sprintf(" at sequence %d", o.Sequence)
		}
		text += "."
	}
	_, err := fmt.Fprintln(out, printable(text))
	return err
}
