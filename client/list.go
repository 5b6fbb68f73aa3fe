package client

import (
	"context"
	"iter"
	"net/url"
	"strconv"
)

// ListQuery is what all lists take. Its zero value asks for the first page in
// the natural order.
type ListQuery struct {
	Q      string // rows that contain this text, in any case
	Sort   string // a column, with a leading "-" for descending
	Limit  int    // rows of a page, 1 to 1000; 0: 100
	Cursor string // Page.NextCursor of the page before
}

func (q ListQuery) values() url.Values {
	v := url.Values{}
	set(v, "q", q.Q)
	set(v, "sort", q.Sort)
	set(v, "cursor", q.Cursor)
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

// Page is a part of a list.
type Page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"` // "": this was the last page
	Sequence   Seq    `json:"sequence"`    // the position in the log that it shows
}

// Receipt is the answer to a write.
type Receipt struct {
	ID       string    `json:"id"`       // what was acted on, or added
	Sequence Seq       `json:"sequence"` // for MinSeq
	Warnings []Warning `json:"warnings"`
}

// Warning is something true now that may surprise.
type Warning struct {
	Code          string          `json:"code"`
	Message       string          `json:"message"`
	TrustedServer TrustedServerID `json:"trusted_server"`
	Peer          PeerID          `json:"peer"`
}

// Pages goes through all pages from cursor on; fetch reads the one that a cursor
// names. It ends after the first error, which it yields. What changes while it
// runs may be missed or seen twice; what stays as it is comes once.
func Pages[T any](cursor string, fetch func(cursor string) (Page[T], error)) iter.Seq2[Page[T], error] {
	return func(yield func(Page[T], error) bool) {
		for {
			page, err := fetch(cursor)
			if err == nil && page.NextCursor != "" && page.NextCursor == cursor {
				err = &Error{Type: "about:blank", Title: "Unexpected answer", Code: CodeUnexpected, Detail: "the list does not advance: the next cursor is the one of this page"}
			}
			if !yield(page, err) || err != nil || page.NextCursor == "" {
				return
			}
			cursor = page.NextCursor
		}
	}
}

// items goes through the rows of pages.
func items[T any](pages iter.Seq2[Page[T], error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for page, err := range pages {
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, row := range page.Items {
				if !yield(row, nil) {
					return
				}
			}
		}
	}
}

// fetch reads one page of the list at the path of r.
func fetch[T any](ctx context.Context, c *Client, r *request, query url.Values, opts []ReadOption) (Page[T], error) {
	r.query = query
	var page Page[T]
	err := c.do(ctx, r.asRead(opts), &page)
	return page, err
}
