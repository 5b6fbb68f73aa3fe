package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

func (c *console) peerImport() *cobra.Command {
	var separately bool
	b := client.Bulk{}
	cmd := &cobra.Command{
		Use: "import ENTERPRISE FILE", Short: "Add and change peers from a file", Args: arguments("ENTERPRISE", "FILE"),
		Long: `Reads peers from a CSV file, whose header has the names of fields, or from a JSON
file, and adds those that are not there and changes those that are. FILE - is
standard input; what it holds is told by its first character.

Fields: ` + strings.Join(fieldNames(), ", ") + `.
A row with an id changes that peer; without one, the peer with its description
is changed, or a new one added. What a row leaves empty stays, or is not given
to a new one. Importing a file twice changes nothing the second time.

Up to 1,000 rows are carried out all or none, unless --separately is given; more
are carried out each for itself. With --dry-run nothing is changed. What became
of each row is printed; exit code 3 when one was refused.`,
		Example: "  peering peer import demo-acme peers.csv --dry-run\n  peering peer import demo-acme peers.csv --reason \"new branches\"",
	}
	var rows []peerRow
	c.importOrder(cmd, &b, func(args []string) error {
		var err error
		if rows, err = readPeers(cmd.InOrStdin(), args[1]); err != nil {
			return usage("%s: %w", args[1], err)
		}
		if n := len(rows); n == 0 || n > client.MaxRows {
			return usage("%s: has %d rows; 1 to %d can be imported at once", args[1], n, client.MaxRows)
		}
		for _, row := range rows {
			b.Operations = append(b.Operations, row.operation())
		}
		b.Atomic = len(rows) <= client.MaxAtomic && !separately
		return nil
	}, func(i int) string { return rows[i].place })
	flags := cmd.Flags()
	flags.BoolVar(&b.DryRun, "dry-run", false, "judge every row and change nothing")
	flags.BoolVar(&separately, "separately", false, "carry out each row for itself: one that is refused does not keep the others")
	return c.completions(cmd, enterpriseNames)
}

// importOrder makes cmd carry out b, which read fills; place names a row.
func (c *console) importOrder(cmd *cobra.Command, b *client.Bulk, read func(args []string) error, place func(i int) string) {
	var key, reason, actor string
	flags := cmd.Flags()
	flags.StringVar(&reason, "reason", "", "why; kept in the history")
	flags.StringVar(&actor, "actor", "", "on whose behalf; kept in the history")
	flags.StringVar(&key, "idempotency-key", "", "name of this import: repeated with it within seven days it has one effect")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := read(args); err != nil {
			return err
		}
		api, err := c.client(client.WithTimeout(importTimeout), client.WithRetries(client.DefaultTries, 2*importTimeout))
		if err != nil {
			return err
		}
		ent := client.EnterpriseID(args[0])
		receipt, err := api.ChangePeers(cmd.Context(), ent, *b, client.IdempotencyKey(key), client.Reason(reason), client.OnBehalfOf(actor))
		if e := apiError(err); e != nil && len(e.Results) > 0 {
			printing := c.printResults(cmd, client.BulkReceipt{ID: args[0], Results: e.Results}, b, place)
			return errors.Join(fmt.Errorf("nothing was changed: %w", err), printing)
		}
		if err != nil {
			return err
		}
		for _, w := range receipt.Warnings {
			fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+printable(w.Message))
		}
		if !b.DryRun {
			visible(cmd, api, ent, receipt.Sequence)
		}
		if err := c.printResults(cmd, receipt, b, place); err != nil {
			return err
		}
		return rowsRefused(receipt, b)
	}
}

// rowsRefused is an error when a row was refused: scripts have to notice.
func rowsRefused(r client.BulkReceipt, b *client.Bulk) error {
	n := 0
	for _, row := range r.Results {
		if row.Result == client.Refused {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return refusedError{fmt.Errorf("%d of %d rows were refused", n, len(b.Operations))}
}

// printedRow is what became of a row.
type printedRow struct {
	client.RowResult
	place, description string
}

func (c *console) printResults(cmd *cobra.Command, r client.BulkReceipt, b *client.Bulk, place func(i int) string) error {
	out := cmd.OutOrStdout()
	if c.format == formatJSON {
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		return enc.Encode(map[string]any{"id": r.ID, "sequence": r.Sequence, "results": r.Results})
	}
	var rows []printedRow
	count := map[string]int{}
	for _, row := range r.Results {
		count[row.Result]++
		if c.format == formatTable && row.Result == client.Unchanged {
			continue
		}
		rows = append(rows, printedRow{row, place(row.Index), b.Operations[row.Index].Description})
	}
	if err := printList(out, c.format, resultColumns(), rows); err != nil {
		return err
	}
	verb := "done"
	if b.DryRun {
		verb = "would be done"
	}
	if c.format == formatTable {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d %s, %d unchanged, %d refused.\n", count[client.Done], verb, count[client.Unchanged], count[client.Refused])
	}
	return nil
}

func resultColumns() []column[printedRow] {
	return []column[printedRow]{
		{field: "row", value: func(r printedRow) any { return r.place }},
		{field: "description", value: func(r printedRow) any { return r.description }},
		{field: "result", value: func(r printedRow) any { return r.Result }},
		{field: "error", value: func(r printedRow) any { return errorText(r.Error) }},
		{field: "id", wide: true, value: func(r printedRow) any { return key(r.ID) }},
	}
}

func errorText(e *client.RowError) string {
	switch {
	case e == nil:
		return ""
	case e.Field == "":
		return e.Message
	}
	return e.Field + ": " + e.Message
}

func (c *console) peerExport() *cobra.Command {
	cmd := &cobra.Command{
		Use: "export ENTERPRISE FILE", Short: "Write the peers to a file that can be imported", Args: arguments("ENTERPRISE", "FILE"),
		Long: `Writes the peers of an enterprise, in the order of their descriptions, as CSV, or
as JSON when the name of the file ends so or -o json is given. FILE - is standard
output. A file that is there is replaced when all is written. In CSV, what a
spreadsheet could take for a formula gets an apostrophe, which an import takes
away again.`,
		Example: "  peering peer export demo-acme peers.csv\n  peering peer export demo-acme - -o json",
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		rows, err := exported(cmd.Context(), api, client.EnterpriseID(args[0]))
		if err != nil {
			return err
		}
		asJSON := c.format == formatJSON || strings.HasSuffix(strings.ToLower(args[1]), ".json")
		if err := writeFile(cmd.OutOrStdout(), args[1], func(w io.Writer) error { return writePeers(w, rows, asJSON) }); err != nil {
			return fmt.Errorf("%s: %w", args[1], err)
		}
		if args[1] != stdio {
			fmt.Fprintf(cmd.ErrOrStderr(), "Wrote %d peers to %s.\n", len(rows), printable(args[1]))
		}
		return nil
	}
	return c.completions(cmd, enterpriseNames)
}

// exported are all peers of an enterprise, each once.
func exported(ctx context.Context, api *client.Client, ent client.EnterpriseID) ([]peerRow, error) {
	var rows []peerRow
	q := client.PeerQuery{ListQuery: client.ListQuery{Sort: "id", Limit: maxLimit}}
	for p, err := range api.AllPeers(ctx, ent, q) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, rowOfPeer(p))
	}
	sortRows(rows)
	return rows, nil
}
