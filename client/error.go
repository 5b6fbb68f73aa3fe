package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Codes that a caller may want to tell apart. The server has more; a new one may
// come at any time.
const (
	CodeMalformed       = "malformed"
	CodeUnauthenticated = "unauthenticated"
	CodeInvalid         = "invalid"
	CodeForbidden       = "forbidden"
	CodeNotFound        = "not_found"
	CodeExists          = "exists"
	CodeConflict        = "conflict"
	CodeGone            = "gone"
	CodeStale           = "stale"
	CodeUnsupported     = "unsupported"
	CodeFollowsPeer     = "follows_peer"
	CodeIDReused        = "id_reused"
	CodeTooMany         = "too_many_requests"
	CodeStarting        = "starting"
	CodeUnavailable     = "unavailable"
	CodeHeld            = "projection_held"
	CodeDiscarded       = "discarded" // an operator gave the command of this id up

	// CodeNoAnswer is the client's own: there was no complete answer, and Status
	// is 0. A write may have taken effect; repeat it with the same
	// Idempotency-Key, which is in Error.IdempotencyKey.
	CodeNoAnswer = "no_answer"
	// CodeUnexpected is the client's own: the answer is not one of this API.
	CodeUnexpected = "unexpected_answer"
)

const problemType = "application/problem+json"

// Error is why a call did not do what it was asked to: the problem document
// (RFC 9457) of the server, or an account of what came instead of one. Code and
// Field are stable, the words are for people.
type Error struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"` // 0: the server was not asked, or did not answer
	Detail   string `json:"detail"`
	Code     string `json:"code"`
	Field    string `json:"field"`
	Instance string `json:"instance"` // with 500: where the server's log says more

	Peer      PeerID    `json:"peer"`       // with follows_peer: the peer to change instead
	Current   Seq       `json:"current"`    // with stale: the revision there is now
	ChangedBy string    `json:"changed_by"` // with stale
	ChangedAt time.Time `json:"changed_at"` // with stale
	DeletedBy string    `json:"deleted_by"` // with gone
	DeletedAt time.Time `json:"deleted_at"` // with gone
	Reason    string    `json:"reason"`     // with gone: why it was deleted
	Sequence  Seq       `json:"sequence"`   // with gone and projection_held
	Reasons   []string  `json:"reasons"`    // with not_ready

	Results []RowResult `json:"results"` // of a bulk change that was refused as a whole

	// Document is the problem document byte for byte; nil when none came.
	Document []byte `json:"-"`
	// RetryAfter is how long the server asks to wait; 0: it does not say.
	RetryAfter time.Duration `json:"-"`
	// IdempotencyKey is the one that the write was sent with.
	IdempotencyKey string `json:"-"`

	cause error
}

// Error implements error: the field and the detail, in one line that is safe for
// a terminal.
func (e *Error) Error() string {
	text := e.Detail
	if text == "" {
		text = e.Title
	}
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	return printable(text)
}

// Unwrap returns what kept the answer from coming, so that errors.Is finds
// context.Canceled and the like.
func (e *Error) Unwrap() error { return e.cause }

// Untrusted reports whether nothing was sent because the server's certificate is
// not signed by an authority that is trusted, or is not good for its name or now.
// To try again does not help: see WithRootCAs.
func (e *Error) Untrusted() bool {
	var failed *tls.CertificateVerificationError
	return errors.As(e.cause, &failed)
}

// Unsent reports whether no connection was made that could be used, so that
// nothing was sent: whatever the call was to do, it was not done. Without it, and
// with CodeNoAnswer, that is not known.
func (e *Error) Unsent() bool {
	var op *net.OpError
	return e.Untrusted() || errors.As(e.cause, &op) && op.Op == "dial"
}

// Code returns the code of the *Error in err, "" when there is none.
func Code(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// noAnswer is the error of a request that got no complete answer.
func noAnswer(cause error) *Error {
	e := &Error{Type: "about:blank", Title: "No answer", Code: CodeNoAnswer, cause: cause}
	switch {
	case errors.Is(cause, context.Canceled):
		e.Detail = "given up before the server answered"
	case errors.Is(cause, context.DeadlineExceeded):
		e.Detail = "the server did not answer in time"
	default:
		e.Detail = "no answer: " + cause.Error()
		var sent *url.Error
		if errors.As(cause, &sent) {
			e.Detail = "no answer: " + sent.Err.Error()
		}
	}
	return e
}

// refused is the error of a request that is not worth sending.
func refused(code, field, detail string) *Error {
	return &Error{Type: "about:blank", Title: "Not sent", Code: code, Field: field, Detail: detail}
}

// problemOf reads the error of an answer that is not a success.
func problemOf(resp *http.Response, body []byte) *Error {
	e := &Error{}
	mt, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || mt != problemType || json.Unmarshal(body, e) != nil || e.Code == "" {
		e = unexpected(resp, body)
	} else {
		e.Document = body
	}
	e.Status = resp.StatusCode
	e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"))
	return e
}

// unexpected describes an answer that is not one of the API: a proxy's page,
// another program's.
func unexpected(resp *http.Response, body []byte) *Error {
	const show = 200
	detail := fmt.Sprintf("the answer is not one of this API: status %d", resp.StatusCode)
	if to := resp.Header.Get("Location"); to != "" {
		detail += ", redirected to " + to
	}
	if text := printable(string(body[:min(len(body), show)])); text != "" {
		detail += ": " + text
	}
	return &Error{Type: "about:blank", Title: http.StatusText(resp.StatusCode), Status: resp.StatusCode, Code: CodeUnexpected, Detail: detail}
}

// printable makes text of unknown origin one line that is safe for a terminal.
func printable(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}
