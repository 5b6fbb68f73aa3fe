package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	// quiet is after how long without a word, its pings included, the stream
	// counts as lost.
	quiet    = 45 * time.Second
	maxFrame = 4 << 20 // bytes of one line
)

// FollowQuery says what to follow. Empty filters do not filter.
type FollowQuery struct {
	Enterprise EnterpriseID
	Peer       PeerID
	Type       string
	// After is where to begin, such as the Sequence of a list that was read; nil:
	// now.
	After *Seq
}

// Follow calls fn for each event as it happens, after every list shows it, until
// ctx ends, fn fails or the server refuses. A connection that is lost is made
// again, and goes on where it was: no event is missed, and after a hold of an
// enterprise one may come twice. The error is fn's, or an *Error; with ctx it
// wraps ctx's.
func (c *Client) Follow(ctx context.Context, q FollowQuery, fn func(Event) error) error {
	v := url.Values{}
	set(v, "enterprise", string(q.Enterprise))
	set(v, "peer", string(q.Peer))
	set(v, "type", q.Type)
	f := &following{client: c, query: v, fn: fn}
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
		pause := pauses.NextBackOff()
		if err != nil {
			if err.Status != 0 && err.Status != http.StatusServiceUnavailable && err.Status != http.StatusTooManyRequests {
				return err
			}
			pause = max(pause, err.RetryAfter)
		}
		if pause == backoff.Stop {
			pause = time.Second
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// following is a stream that is made again whenever it is lost.
type following struct {
	client  *Client
	query   url.Values
	last    string // the id to go on after; "": now
	fn      func(Event) error
	stopped error // of fn
}

// once follows one connection until it is lost; nil: it was, after it had begun.
func (f *following) once(ctx context.Context) *Error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(f.client.timeout, cancel)
	defer watchdog.Stop()
	address := f.client.base + "/api/v1/stream"
	if len(f.query) > 0 {
		address += "?" + f.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return refused(CodeMalformed, "", err.Error())
	}
	req.Header.Set("Accept", "text/event-stream, "+problemType)
	if f.last != "" {
		req.Header.Set("Last-Event-ID", f.last)
	}
	f.client.sign(req)
	resp, err := f.client.http.Do(req)
	if err != nil {
		return noAnswer(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(resp.Body, f.client.maxAnswer))
		if err != nil {
			return noAnswer(fmt.Errorf("the answer broke off: %w", err))
		}
		return problemOf(resp, body)
	}
	return f.read(resp.Body, func() { watchdog.Reset(quiet) })
}

// read reads the stream until it ends; alive is called for every line.
func (f *following) read(in io.Reader, alive func()) *Error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxFrame)
	var id, kind string
	var data []byte
	for lines.Scan() {
		alive()
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(": "))
		switch string(name) {
		case "id":
			id = string(value)
		case "event":
			kind = string(value)
		case "data":
			data = append(data[:0], value...)
		case "":
			if more, err := f.take(kind, data); !more {
				return err
			}
			if id != "" {
				f.last = id
			}
			id, kind, data = "", "", data[:0]
		}
	}
	return nil
}

// take hands an event over; more is false when that was the last one: fn does
// not want another, or the error says that it was none.
func (f *following) take(kind string, data []byte) (more bool, err *Error) {
	if kind != "" || len(data) == 0 {
		return true, nil // a ping, or a word of the protocol
	}
	var e Event
	if err := json.Unmarshal(data, &e); err != nil {
		return false, &Error{Type: "about:blank", Title: "Unexpected answer", Status: http.StatusOK, Code: CodeUnexpected, Detail: "the stream has something that is no event: " + err.Error(), cause: err}
	}
	f.stopped = f.fn(e)
	return f.stopped == nil, nil
}
