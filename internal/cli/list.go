package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

const maxLimit = 1000

// listing is a command that lists things.
type listing[T any] struct {
	columns func() []column[T] // asked for after the flags were read
	// fetch reads one page.
	fetch func(ctx context.Context, api *client.Client, args []string, q client.ListQuery, opts ...client.ReadOption) (client.Page[T], error)
	// empty says what to do next when there is nothing and nothing was asked for
	// in particular.
	empty func(args []string) string
	sorts []string // what the server sorts by, for completion
	// unsearched: the list has no text that is searched.
	unsearched bool
	// unsorted: the list has one order.
	unsorted bool
}

// listCommand gives cmd the flags of all lists and makes it print one.
func listCommand[T any](c *console, cmd *cobra.Command, l listing[T]) *cobra.Command {
	var q client.ListQuery
	var all bool
	flags := cmd.Flags()
	if !l.unsearched {
		flags.StringVar(&q.Q, "q", "", "only rows that contain this text, in any case")
	}
	if !l.unsorted {
		flags.StringVar(&q.Sort, "sort", "", "column to sort by, with a leading - for descending")
		complete(cmd, "sort", l.sorts...)
	}
	flags.IntVar(&q.Limit, "limit", 0, "rows of a page, 1 to 1000 (default 100)")
	flags.StringVar(&q.Cursor, "cursor", "", "go on where a page ended: the cursor that it named")
	flags.BoolVar(&all, "all", false, "all pages")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("limit") && (q.Limit < 1 || q.Limit > maxLimit) {
			return usage("--limit must be 1 to %d", maxLimit)
		}
		if all && q.Limit == 0 {
			q.Limit = maxLimit
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		var got pile[T]
		for page, err := range client.Pages(q.Cursor, func(cursor string) (client.Page[T], error) {
			q.Cursor = cursor
			got.body.Reset()
			return l.fetch(cmd.Context(), api, args, q, client.Body(&got.body))
		}) {
			if err != nil {
				return err
			}
			if err := got.add(page, all && c.format == formatJSON); err != nil {
				return err
			}
			if !all {
				break
			}
		}
		return l.print(c, cmd, args, &got)
	}
	return cmd
}

// pile is what was read of a list.
type pile[T any] struct {
	body     bytes.Buffer      // of the last page
	raw      []json.RawMessage // the rows of all pages as they were
	rows     []T
	next     string
	sequence client.Seq // that all pages show at least
	pages    int
}

func (p *pile[T]) add(page client.Page[T], keepRaw bool) error {
	if p.pages == 0 {
		p.sequence = page.Sequence
	}
	p.pages++
	p.next, p.sequence = page.NextCursor, min(p.sequence, page.Sequence)
	p.rows = append(p.rows, page.Items...)
	if !keepRaw {
		return nil
	}
	var raw client.Page[json.RawMessage]
	if err := json.Unmarshal(p.body.Bytes(), &raw); err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	p.raw = append(p.raw, raw.Items...)
	return nil
}

func (l listing[T]) print(c *console, cmd *cobra.Command, args []string, got *pile[T]) error {
	out, errs := cmd.OutOrStdout(), cmd.ErrOrStderr()
	if c.format == formatJSON {
		return got.printJSON(out)
	}
	if err := printList(out, c.format, l.columns(), got.rows); err != nil {
		return err
	}
	switch {
	case got.next != "":
		fmt.Fprintf(errs, "There is more: --cursor %s, or --all.\n", got.next)
	case len(got.rows) == 0 && narrowed(cmd):
		fmt.Fprintln(errs, "Nothing matches.")
	case len(got.rows) == 0:
		fmt.Fprintln(errs, l.empty(args))
	}
	return nil
}

// printJSON prints one page as it came, or several as one document of the same
// shape.
func (p *pile[T]) printJSON(out io.Writer) error {
	if p.pages == 1 {
		return printBody(out, &p.body)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(map[string]any{"items": p.raw, "next_cursor": nil, "sequence": p.sequence}); err != nil {
		return err
	}
	return printBody(out, &buf)
}

// narrowed reports whether some rows may have been left out on request.
func narrowed(cmd *cobra.Command) bool {
	for _, name := range []string{"q", "cursor", "status", "type", "enabled", "deleted", "origin", "host", "actor", "command-id", "from", "to", "after", "peer", "projection", "enterprise", "discarded", "decided", "revoked"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			return true
		}
	}
	return false
}

// showCommand makes cmd print one thing; read reads it.
func showCommand[T any](c *console, cmd *cobra.Command, columns []column[T],
	read func(ctx context.Context, api *client.Client, args []string, opts ...client.ReadOption) (T, error),
) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		var body bytes.Buffer
		row, err := read(cmd.Context(), api, args, client.Body(&body))
		if err != nil {
			return err
		}
		if c.format == formatJSON {
			return printBody(cmd.OutOrStdout(), &body)
		}
		return printOne(cmd.OutOrStdout(), c.format, columns, row)
	}
	return cmd
}

// printBody prints a body as it was.
func printBody(out io.Writer, body *bytes.Buffer) error {
	_, err := out.Write(body.Bytes())
	return err
}
