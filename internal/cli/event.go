package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

func (c *console) events() *cobra.Command {
	cmd := &cobra.Command{
		Use: "events", Short: "What happened: who changed what, when and why",
		Long: `The events of the log, in its order. It takes a token of the role auditor or
admin.`,
	}
	cmd.AddCommand(c.eventList(), c.eventTail())
	return cmd
}

func eventColumns() []column[client.Event] {
	type e = client.Event
	return []column[e]{
		{field: "sequence", value: func(e e) any { return e.Sequence }},
		{field: "time", value: func(e e) any { return e.Time }},
		{field: "type", value: func(e e) any { return key(e.Type) }},
		{field: "enterprise", spare: 2, value: func(e e) any { return key(e.Enterprise) }},
		{field: "changes", spare: 4, value: func(e e) any { return changesText(e.Changes) }},
		{field: "actor", spare: 1, value: func(e e) any { return e.Actor }},
		{field: "reason", spare: 3, value: func(e e) any { return e.Reason }},
		{field: "peer", wide: true, value: func(e e) any { return key(e.Peer) }},
		{field: "trusted_server", wide: true, value: func(e e) any { return key(e.TrustedServer) }},
		{field: "on_behalf_of", wide: true, value: func(e e) any { return e.OnBehalfOf }},
		{field: "command_id", wide: true, value: func(e e) any { return key(e.CommandID) }},
		{field: "correlation_id", wide: true, value: func(e e) any { return key(e.CorrelationID) }},
		{field: "causation_id", wide: true, value: func(e e) any { return key(e.CausationID) }},
		{field: "id", wide: true, value: func(e e) any { return key(e.ID) }},
	}
}

// changesText is what an event replaced, in a line.
func changesText(list []client.Change) string {
	parts := make([]string, len(list))
	for i, ch := range list {
		parts[i] = ch.Field + ": " + valueText(ch.Before) + " → " + valueText(ch.After)
	}
	return strings.Join(parts, "; ")
}

func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "–"
	case string:
		return v
	}
	text, err := json.Marshal(v)
	if err != nil { // it came from JSON: does not happen
		return "?"
	}
	return string(text)
}

// eventFlags gives cmd the filters of events.
func eventFlags(cmd *cobra.Command, q *client.EventQuery) {
	flags := cmd.Flags()
	flags.StringVar(&q.Type, "type", "", "only events of this type, such as PeerAddressChanged")
	flags.StringVar(&q.Actor, "actor", "", "only events of exactly this actor")
	flags.StringVar(&q.CommandID, "command-id", "", "only the events of this command")
	flags.StringVar(&q.From, "from", "", "from this sequence or time on, such as 2026-01-31T12:00:00Z")
	flags.StringVar(&q.To, "to", "", "up to this sequence or time")
	flags.Uint64Var((*uint64)(&q.After), "after", 0, "only after this `sequence`")
}

func (c *console) eventList() *cobra.Command {
	var q client.EventQuery
	cmd := &cobra.Command{
		Use: "list [ENTERPRISE]", Short: "List events, of an enterprise or of all", Args: optionalArguments("ENTERPRISE"),
		Example: "  peering events list demo-acme --sort=-sequence --limit 20\n  peering events list --from 2026-01-31T00:00:00Z --all -o csv",
	}
	eventFlags(cmd, &q)
	cmd.Flags().StringVar((*string)(&q.Peer), "peer", "", "only events about the peer with this id")
	return c.completions(listCommand(c, cmd, listing[client.Event]{
		columns: eventColumns,
		fetch: func(ctx context.Context, api *client.Client, args []string, l client.ListQuery, opts ...client.ReadOption) (client.Page[client.Event], error) {
			q.ListQuery = l
			if len(args) > 0 {
				q.Enterprise = client.EnterpriseID(args[0])
			}
			return api.Events(ctx, q, opts...)
		},
		empty: func([]string) string { return "Nothing has happened yet." },
		sorts: []string{"sequence"}, unsearched: true,
	}), enterpriseNames)
}

func (c *console) peerHistory() *cobra.Command {
	var q client.EventQuery
	cmd := &cobra.Command{
		Use: "history ENTERPRISE PEER", Short: "Show what happened to a peer, also to one that is gone", Args: arguments("ENTERPRISE", "PEER"),
		Example: "  peering peer history demo-acme Berlin",
	}
	eventFlags(cmd, &q)
	return c.completions(listCommand(c, cmd, listing[client.Event]{
		columns: eventColumns,
		fetch: func(ctx context.Context, api *client.Client, args []string, l client.ListQuery, opts ...client.ReadOption) (client.Page[client.Event], error) {
			q.ListQuery = l
			ent := client.EnterpriseID(args[0])
			id, err := findPeerID(ctx, api, ent, args[1])
			if err != nil {
				return client.Page[client.Event]{}, err
			}
			return api.PeerHistory(ctx, ent, id, q, opts...)
		},
		empty: func([]string) string { return "Nothing has happened to it." },
		sorts: []string{"sequence"}, unsearched: true,
	}), enterpriseNames, peerNames)
}

func (c *console) eventTail() *cobra.Command {
	var q client.FollowQuery
	var after uint64
	cmd := &cobra.Command{
		Use: "tail [ENTERPRISE]", Short: "Follow events as they happen, until interrupted", Args: optionalArguments("ENTERPRISE"),
		Long: `Prints each event when it happens, after every list shows it. With -o json it is
one JSON object a line. A connection that is lost is made again, which is said on
standard error, and nothing is missed. Interrupting it is success.`,
		Example: "  peering events tail demo-acme\n  peering events tail --after 0 -o json",
	}
	flags := cmd.Flags()
	flags.StringVar(&q.Type, "type", "", "only events of this type")
	flags.StringVar((*string)(&q.Peer), "peer", "", "only events about the peer with this id")
	flags.Uint64Var(&after, "after", 0, "begin after this `sequence` instead of now")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			q.Enterprise = client.EnterpriseID(args[0])
		}
		if cmd.Flags().Changed("after") {
			at := client.Seq(after)
			q.After = &at
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		q.Connection = func(lost error) { tellConnection(cmd.ErrOrStderr(), lost) }
		print := c.eventPrinter(cmd.OutOrStdout())
		if err = api.Follow(cmd.Context(), q, print); cmd.Context().Err() != nil {
			err = nil // that is how it ends
		}
		return err
	}
	return c.completions(cmd, enterpriseNames)
}

// tellConnection says that the connection is lost, or there again.
func tellConnection(out io.Writer, lost error) {
	if lost != nil {
		fmt.Fprintf(out, "The connection is lost and is made again: %v\n", lost)
		return
	}
	fmt.Fprintln(out, "The connection is there again; nothing was missed.")
}

// eventPrinter prints events one by one.
func (c *console) eventPrinter(out io.Writer) func(client.Event) error {
	columns := eventColumns()
	first := true
	return func(e client.Event) error {
		defer func() { first = false }()
		switch c.format {
		case formatTable:
			return printEvent(out, e)
		case formatJSON:
			enc := json.NewEncoder(out)
			enc.SetEscapeHTML(false)
			return enc.Encode(e)
		case formatCSV:
			rows := csvRows(columns, []client.Event{e})
			if !first {
				rows = rows[1:]
			}
			var buf bytes.Buffer
			if err := csv.NewWriter(&buf).WriteAll(rows); err != nil {
				return err
			}
			_, err := out.Write(buf.Bytes())
			return err
		}
		return nil
	}
}

// printEvent prints an event in a line.
func printEvent(out io.Writer, e client.Event) error {
	about := string(e.Enterprise)
	if text := changesText(e.Changes); text != "" {
		about += "  " + text
	}
	if e.Actor != "" {
		about += "  by " + e.Actor
	}
	if e.Reason != "" {
		about += ": " + e.Reason
	}
	_, err := fmt.Fprintf(out, "%d  %s  %s  %s\n", e.Sequence, forTable(e.Time), printable(e.Type), printable(about))
	return err
}
