package cli

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

// wouldBeDone is shown of a row that is done only when nothing keeps it.
const wouldBeDone = "would be done"

// printedRow is what became of a row.
type printedRow struct {
	client.RowResult
	place, description string
}

// printRows prints results as a table, without what is unchanged, or as CSV.
// Unless they were carried out, what is done would be done.
func (c *console) printRows(cmd *cobra.Command, i *importing, results []client.RowResult, carriedOut bool) error {
	verb := client.Done
	if !carriedOut {
		verb = wouldBeDone
	}
	var rows []printedRow
	for _, result := range results {
		if c.format == formatTable && result.Result == client.Unchanged {
			continue
		}
		row := printedRow{RowResult: result}
		if row.Result == client.Done {
			row.Result = verb
		}
		if n := result.Index; n >= 0 && n < len(i.rows) {
			row.place, row.description = i.rows[n].place, i.rows[n].fields["description"]
		}
		rows = append(rows, row)
	}
	if err := printList(cmd.OutOrStdout(), c.format, resultColumns(), rows); err != nil {
		return err
	}
	if c.format == formatTable {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d %s, %d unchanged, %d refused.\n",
			count(results, client.Done), verb, count(results, client.Unchanged), count(results, client.Refused))
	}
	return nil
}

func count(results []client.RowResult, what string) int {
	n := 0
	for _, row := range results {
		if row.Result == what {
			n++
		}
	}
	return n
}

// outcome is an error when a row was refused, or when it is not known what became
// of one: scripts have to notice.
func (i *importing) outcome(r client.BulkReceipt) error {
	var refusal, lost error
	refused, all := count(r.Results, client.Refused), len(i.Operations)
	if refused > 0 {
		refusal = refusedError{fmt.Errorf("%d of %d rows were refused", refused, all), i.hint(r.Results)}
	}
	missing := all - count(r.Results, client.Done) - count(r.Results, client.Unchanged) - refused
	if missing > 0 || slices.ContainsFunc(r.Warnings, func(w client.Warning) bool { return w.Code == client.WarnResultsLost }) {
		lost = fmt.Errorf("what became of %d of %d rows is not known any more: import the file again, with another --idempotency-key if any; what is done is then unchanged", missing, all)
	}
	return errors.Join(refusal, lost)
}

// hint is what to do about rows whose ids are not those of this enterprise.
func (i *importing) hint(results []client.RowResult) string {
	foreign := func(r client.RowResult) bool {
		return r.Error != nil && (r.Error.Code == client.CodeNotFound || r.Error.Code == client.CodeGone) &&
			r.Index >= 0 && r.Index < len(i.Operations) && i.Operations[r.Index].Peer != ""
	}
	if !slices.ContainsFunc(results, foreign) {
		return ""
	}
	return "There is no peer with the id of some rows. To go by descriptions alone, and add what is not there, give --ignore-ids."
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
