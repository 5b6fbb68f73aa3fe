package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"
)

// following is a stream that is made again whenever it is lost.
type following struct {
	client  *Client
	query   url.Values
	last    string // the id to go on after; "": now
	fn      func(Event) error
	stopped error // of fn
	notify  func(lost error)
	until   time.Time // when the first connection must be there
	tries   uint      // for the first connection
	made    bool      // there was one
	lost    bool      // and it is to be made again
}

// givesUp reports whether there was no connection yet and none is tried after
// another pause.
func (f *following) givesUp(pause time.Duration) bool {
	return !f.made && (f.tries >= f.client.tries || !time.Now().Add(pause).Before(f.until))
}

// lose says that the connection is gone, once for each that was made.
func (f *following) lose(err error) {
	if f.made && !f.lost {
		f.lost = true
		f.tell(err)
	}
}

// begin says that the connection is there again.
func (f *following) begin() {
	f.made = true
	if f.lost {
		f.lost = false
		f.tell(nil)
	}
}

func (f *following) tell(lost error) {
	if f.notify != nil {
		f.notify(lost)
	}
}

// once follows one connection until it is lost, which the error tells, or until
// fn does not want another event: only then there is none.
func (f *following) once(ctx context.Context) *Error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := f.client.timeout
	if !f.made {
		f.tries++
		patience = min(patience, time.Until(f.until))
	}
	watchdog := time.AfterFunc(patience, func() { cancel(context.DeadlineExceeded) })
	defer watchdog.Stop()
	resp, err := f.open(ctx)
	if err != nil {
		return broken(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !isStream(resp) {
		body, err := io.ReadAll(io.LimitReader(resp.Body, f.client.maxAnswer))
		switch {
		case err != nil:
			return broken(ctx, fmt.Errorf("the answer broke off: %w", err))
		case resp.StatusCode == http.StatusOK:
			return unexpected(resp, body)
		}
		return problemOf(resp, body)
	}
	f.begin()
	watchdog.Reset(quiet)
	if err := f.read(resp.Body, func() { watchdog.Reset(quiet) }); err != nil {
		return broken(ctx, err)
	}
	return nil
}

// open asks for the stream.
func (f *following) open(ctx context.Context) (*http.Response, error) {
	address := f.client.base + "/api/v1/stream"
	if len(f.query) > 0 {
		address += "?" + f.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, refused(CodeMalformed, "", err.Error())
	}
	req.Header.Set("Accept", streamType+", "+problemType)
	if f.last != "" {
		req.Header.Set("Last-Event-ID", f.last)
	}
	f.client.sign(req)
	return f.client.http.Do(req)
}

func isStream(resp *http.Response) bool {
	mt, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && mt == streamType
}

// broken is why a connection failed: err as it is when that is known already,
// else no answer, in time if the watchdog ended it.
func broken(ctx context.Context, err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return noAnswer(err)
}

// read reads the stream until it ends; alive is called for every line. Without an
// error fn does not want another event.
func (f *following) read(in io.Reader, alive func()) error {
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
			if err := f.take(kind, data); err != nil || f.stopped != nil {
				return err
			}
			if id != "" {
				f.last = id
			}
			id, kind, data = "", "", data[:0]
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return noEvent(fmt.Sprintf("a line is longer than %d bytes", maxFrame), err)
	case err != nil:
		return fmt.Errorf("the stream broke off: %w", err)
	}
	return errors.New("the stream ended")
}

// take hands an event over. The error says that it is none; fn's is in stopped.
func (f *following) take(kind string, data []byte) error {
	if kind != "" || len(data) == 0 {
		return nil // a ping, or a word of the protocol
	}
	var e Event
	if err := json.Unmarshal(data, &e); err != nil {
		return noEvent(err.Error(), err)
	}
	f.stopped = f.fn(e)
	return nil
}

// noEvent is the error of a stream that is not one of this API.
func noEvent(detail string, cause error) *Error {
	return &Error{
		Type: "about:blank", Title: "Unexpected answer", Status: http.StatusOK, Code: CodeUnexpected,
		Detail: "the stream has something that is no event: " + detail, cause: cause,
	}
}
