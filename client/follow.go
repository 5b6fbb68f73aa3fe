package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// quiet is after how long without a word, its pings included, the stream
	// counts as lost.
	quiet    = 45 * time.Second
	maxFrame = 4 << 20 // bytes of one line

	streamType = "text/event-stream"
)

// FollowQuery says what to follow. Empty filters do not filter.
type FollowQuery struct {
	Enterprise EnterpriseID
	Peer       PeerID
	Type       string
	// After is where to begin, such as the Sequence of a list that was read; nil:
	// now.
	After *Seq
	// Connection, unless it is nil, is called with why the connection was lost, and
	// with nil when it is made again; never while an event is handed over.
	Connection func(lost error)
}

// Follow calls fn for each event as it happens, after every list shows it, until
// ctx ends, fn fails or the server refuses. The first connection is tried as any
// call is, see WithRetries; from then on one that is lost is made again however
// long that takes, and goes on where it was: no event is missed, and after a hold
// of an enterprise one may come twice. The error is fn's, or an *Error; with ctx
// it wraps ctx's. A refusal, also of a connection that is made again, such as
// CodeUnauthenticated after the token was revoked, ends it.
func (c *Client) Follow(ctx context.Context, q FollowQuery, fn func(Event) error) error {
	v := url.Values{}
	set(v, "enterprise", string(q.Enterprise))
	set(v, "peer", string(q.Peer))
	set(v, "type", q.Type)
	f := &following{client: c, query: v, fn: fn, notify: q.Connection, until: time.Now().Add(c.patience)}
	if q.After != nil {
		f.last = strconv.FormatUint(uint64(*q.After), 10)
	}
	pauses := waits()
	for {
		before := f.last
		err := f.once(ctx)
		if f.stopped != nil {
			return f.stopped
		}
		if cause := context.Cause(ctx); cause != nil {
			return noAnswer(cause)
		}
		if f.last != before {
			pauses = waits()
		}
		pause := max(pauses.NextBackOff(), err.RetryAfter)
		if !temporary(err) || f.givesUp(pause) {
			return err
		}
		f.lose(err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// temporary reports whether a connection that failed so is worth another try.
func temporary(err *Error) bool {
	switch err.Status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return true
	}
	return err.Code == CodeNoAnswer && !err.Untrusted()
}
