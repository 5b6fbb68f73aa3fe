package client

import (
	"bytes"
	"net/url"
	"strconv"

	"github.com/google/uuid"
	"golang.org/x/net/http/httpguts"
)

// Headers of a request.
const (
	headerIdempotencyKey = "Idempotency-Key"
	headerIfMatch        = "If-Match"
	headerReason         = "Reason"
	headerActor          = "Actor"
)

// ReadOption changes one read.
type ReadOption interface{ applyRead(*request) }

// WriteOption changes one write.
type WriteOption interface{ applyWrite(*request) }

type (
	readOption  func(*request)
	writeOption func(*request)
	// CallOption changes a read or a write.
	CallOption func(*request)
)

func (o readOption) applyRead(r *request)   { o(r) }
func (o writeOption) applyWrite(r *request) { o(r) }

func (o CallOption) applyRead(r *request)  { o(r) }
func (o CallOption) applyWrite(r *request) { o(r) }

// MinSeq makes a read wait, for at most five seconds, until it sees everything
// up to that sequence; CodeUnavailable when it takes longer. The sequence of a
// Receipt makes one see one's own write.
func MinSeq(s Seq) ReadOption {
	return readOption(func(r *request) { r.query.Set("min_seq", strconv.FormatUint(uint64(s), 10)) })
}

// IdempotencyKey names a write, so that it can be repeated within seven days and
// has one effect: 1 to 128 letters, digits, dashes and underscores. Without it,
// or with an empty one, the client makes one up, which makes its own retries
// safe.
func IdempotencyKey(key string) WriteOption { return header(headerIdempotencyKey, key) }

// Reason is kept with the change. An empty one is none.
func Reason(text string) WriteOption { return header(headerReason, text) }

// OnBehalfOf says for whom the caller acts; kept with the change.
func OnBehalfOf(who string) WriteOption { return header(headerActor, who) }

// IfMatch makes a write happen only while the resource is at that revision; else
// CodeStale, with what it is now.
func IfMatch(revision Seq) WriteOption {
	return header(headerIfMatch, `"`+strconv.FormatUint(uint64(revision), 10)+`"`)
}

// Body appends the body of the successful answer to buf, byte for byte.
func Body(buf *bytes.Buffer) CallOption { return func(r *request) { r.keep = buf } }

func header(name, value string) WriteOption {
	return writeOption(func(r *request) {
		if value != "" {
			r.header.Set(name, value)
		}
	})
}

func (r *request) asRead(opts []ReadOption) *request {
	for _, o := range opts {
		o.applyRead(r)
	}
	return r
}

// asCall is for a change of what is not in the log, and has no key, reason or
// revision.
func (r *request) asCall(opts []CallOption) *request {
	for _, o := range opts {
		o(r)
	}
	return r
}

func (r *request) asWrite(opts []WriteOption) *request {
	for _, o := range opts {
		o.applyWrite(r)
	}
	if r.header.Get(headerIdempotencyKey) == "" {
		r.header.Set(headerIdempotencyKey, newKey())
	}
	for name, values := range r.header {
		if !httpguts.ValidHeaderFieldValue(values[0]) {
			r.refusal = refused(CodeMalformed, name, "must not contain control characters")
		}
	}
	return r
}

// newKey makes an idempotency key that sorts by time.
func newKey() string {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.NewString()
	}
	return id.String()
}

// set adds a query parameter unless it is empty.
func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}
