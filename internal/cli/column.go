package cli

import (
	"fmt"
	"io"
	"strings"
)

// column is one value of a row. Its field is the header in CSV, the name that
// the API has for it; tables show it in upper case with spaces.
type column[T any] struct {
	field string
	value func(T) any
	wide  bool // not in the table of a list: in CSV, and when one thing is shown
}

func (c column[T]) title() string {
	return strings.ToUpper(strings.NewReplacer("_", " ", ".", " ").Replace(c.field))
}

// printList prints rows as a table or as CSV.
func printList[T any](out io.Writer, f format, columns []column[T], rows []T) error {
	if f == formatCSV {
		return writeCSV(out, csvRows(columns, rows))
	}
	if len(rows) == 0 {
		return nil
	}
	t := newTable()
	var narrow []column[T]
	var header []string
	for _, c := range columns {
		if !c.wide {
			narrow, header = append(narrow, c), append(header, c.title())
		}
	}
	t.AppendHeader(tableRow(header))
	for _, r := range rows {
		cells := make([]string, len(narrow))
		for i, c := range narrow {
			cells[i] = forTable(c.value(r))
		}
		t.AppendRow(tableRow(cells))
	}
	_, err := fmt.Fprintln(out, t.Render())
	return err
}

// printOne prints everything about one thing, a line for each value that there
// is, or CSV of one row.
func printOne[T any](out io.Writer, f format, columns []column[T], row T) error {
	if f == formatCSV {
		return writeCSV(out, csvRows(columns, []T{row}))
	}
	t := newTable()
	for _, c := range columns {
		if v := forTable(c.value(row)); v != "" {
			t.AppendRow(tableRow([]string{c.title(), v}))
		}
	}
	_, err := fmt.Fprintln(out, t.Render())
	return err
}

func csvRows[T any](columns []column[T], rows []T) [][]string {
	out := make([][]string, 0, len(rows)+1)
	header := make([]string, len(columns))
	for i, c := range columns {
		header[i] = c.field
	}
	out = append(out, header)
	for _, r := range rows {
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = forCSV(c.value(r))
		}
		out = append(out, cells)
	}
	return out
}
