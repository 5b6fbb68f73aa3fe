package cli

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// column is one value of a row. Its field is the header in CSV, the name that
// the API has for it; tables show it in upper case with spaces.
type column[T any] struct {
	field string
	head  string // what tables show instead of the field; empty: nothing else
	value func(T) any
	wide  bool // not in the table of a list: in CSV, and when one thing is shown
	// spare: a list leaves it out when its table is wider than the terminal, the
	// lowest first; 0 stays.
	spare int
}

// title is what people read; a table says the unit with each value.
func (c column[T]) title() string {
	if c.head != "" {
		return c.head
	}
	field := strings.TrimSuffix(strings.TrimSuffix(c.field, "_ms"), "_seconds")
	return strings.ToUpper(strings.NewReplacer("_", " ", ".", " ").Replace(field))
}

// printList prints rows as a table or as CSV.
func printList[T any](out io.Writer, f format, columns []column[T], rows []T) error {
	if f == formatCSV {
		return writeCSV(out, csvRows(columns, rows))
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := fmt.Fprintln(out, listTable(columns, rows, terminalWidth(out)))
	return err
}

// listTable is the table of rows that fits into width, as far as it can do
// without columns; 0 is any width.
func listTable[T any](columns []column[T], rows []T, width int) string {
	columns = slices.DeleteFunc(slices.Clone(columns), func(c column[T]) bool { return c.wide })
	text := renderTable(columns, rows)
	for _, spare := range slices.Sorted(spares(columns)) {
		if width == 0 || textWidth(text) <= width {
			break
		}
		columns = slices.DeleteFunc(columns, func(c column[T]) bool { return c.spare == spare })
		text = renderTable(columns, rows)
	}
	return text
}

// spares goes through what columns can be spared by.
func spares[T any](columns []column[T]) iter.Seq[int] {
	return func(yield func(int) bool) {
		for _, c := range columns {
			if c.spare > 0 && !yield(c.spare) {
				return
			}
		}
	}
}

func renderTable[T any](columns []column[T], rows []T) string {
	t := newTable()
	header := make([]string, len(columns))
	for i, c := range columns {
		header[i] = c.title()
	}
	t.AppendHeader(tableRow(header))
	for _, r := range rows {
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = forTable(c.value(r))
		}
		t.AppendRow(tableRow(cells))
	}
	return t.Render()
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
