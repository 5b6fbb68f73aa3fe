package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Commander gives commands, whichever way they go: Client sends them over HTTP,
// Bus as requests over NATS. They are the same commands under the same rules.
//
// Do returns the outcome of cmd. err is nil when it was accepted, and otherwise
// one of these:
//
//   - *Error: cmd has no effect. With a Result in the outcome it was refused by a
//     rule; without one it was not even looked at: not sent, nobody there, no
//     right, too many requests.
//   - *UnknownError: it is not known what became of it. It may be in effect, or
//     come into effect yet; the same call with its ID tells.
//
// A command id belongs to one command that goes one way: HTTP has some of these
// commands as a part of an edit, and takes the id of the other way for reused.
type Commander interface {
	Do(ctx context.Context, ent EnterpriseID, cmd Command, opts ...WriteOption) (Outcome, error)
}

var (
	_ Commander = (*Client)(nil)
	_ Commander = (*Bus)(nil)
)

// Command is an order to one enterprise. The types that implement it are those
// of this package that are named as the bus names commands, from
// RegisterEnterprise to RemoveTrustedServer. Their JSON is what the bus carries.
type Command interface {
	// CommandName is the name of the command on the bus.
	CommandName() string

	// overHTTP is the request that gives the command to ent.
	overHTTP(ent EnterpriseID) *request
}

// Result is how a command ended.
type Result string

// The results.
const (
	Accepted Result = "accepted" // it is in effect, or there was nothing to change
	Rejected Result = "rejected" // a rule refused it
	Failed   Result = "failed"   // it could not be understood, or was given up by an operator
)

// Outcome is what became of a command.
type Outcome struct {
	CommandID string    `json:"command_id"`
	Command   string    `json:"command"`
	Result    Result    `json:"result"` // "": it was not decided on, see the error
	ID        string    `json:"id"`     // what was acted on, or added
	Sequence  Seq       `json:"sequence"`
	Events    []string  `json:"events"` // ids; over HTTP they are not told
	Warnings  []Warning `json:"warnings"`
	Error     *Error    `json:"-"`  // why it was not accepted
	At        time.Time `json:"at"` // when it was decided; over HTTP it is not told
}

// Err is the Error as an error, nil when there is none.
func (o Outcome) Err() error {
	if o.Error == nil {
		return nil
	}
	return o.Error
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *Outcome) UnmarshalJSON(data []byte) error {
	type plain Outcome
	in := struct {
		*plain
		Refusal *refusal `json:"error"`
	}{plain: (*plain)(o)}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	switch o.Result {
	case Accepted:
		return nil
	case Rejected, Failed:
		o.Error = in.Refusal.asError(o.Command)
		o.Error.IdempotencyKey = o.CommandID
		return nil
	}
	return fmt.Errorf("client: an outcome has the result %q", string(o.Result))
}

// refusal is an error as outcomes have it.
type refusal struct {
	Code    string `json:"code"`
	Field   string `json:"field"`
	Message string `json:"message"`
	Peer    PeerID `json:"peer"`
	Stale   *struct {
		Current   Seq       `json:"current"`
		ChangedBy string    `json:"changed_by"`
		ChangedAt time.Time `json:"changed_at"`
	} `json:"stale"`
	Gone *Deleted `json:"gone"`
}

// asError is the Error that HTTP has for the same refusal of a command.
func (r *refusal) asError(command string) *Error {
	if r == nil {
		return &Error{Type: "about:blank", Title: "Refused", Code: CodeUnexpected, Detail: command + " was refused without a reason"}
	}
	e := &Error{
		Type: "about:blank", Title: "Refused", Status: statusOf(r.Code),
		Code: r.Code, Field: r.Field, Detail: r.Message, Peer: r.Peer,
	}
	if r.Stale != nil {
		e.Current, e.ChangedBy, e.ChangedAt = r.Stale.Current, r.Stale.ChangedBy, r.Stale.ChangedAt
	}
	if r.Gone != nil {
		e.Sequence, e.DeletedBy, e.DeletedAt, e.Reason = r.Gone.Sequence, r.Gone.By, r.Gone.At, r.Gone.Reason
	}
	return e
}

// statusOf is the status that HTTP has for the refusal of a command.
func statusOf(code string) int {
	switch code {
	case CodeMalformed:
		return http.StatusBadRequest
	case CodeForbidden:
		return http.StatusForbidden
	case CodeNotFound:
		return http.StatusNotFound
	case CodeExists, CodeConflict:
		return http.StatusConflict
	case CodeGone:
		return http.StatusGone
	case CodeStale:
		return http.StatusPreconditionFailed
	}
	return http.StatusUnprocessableEntity
}

// UnknownError says that it is not known what became of a command. It may be in
// effect, or come into effect yet. To learn more, give the same command with
// IdempotencyKey(ID) again, the same way and within seven days: it takes effect
// once, however often it is given.
type UnknownError struct {
	ID  string // of the command
	Err error  // why it is not known: often an *Error, or the end of the context
}

// Error implements error.
func (e *UnknownError) Error() string {
	return printable(fmt.Sprintf("command %s is perhaps in effect, repeat it with this id: %v", e.ID, e.Err))
}

// Unwrap returns what kept the answer from coming.
func (e *UnknownError) Unwrap() error { return e.Err }

// Traceparent carries the trace of the caller (W3C Trace Context) into what the
// write leads to.
func Traceparent(value string) WriteOption { return header(headerTraceparent, value) }

const headerTraceparent = "Traceparent"

// Do gives cmd over HTTP. It tries again as all calls of a Client do; see
// Commander for what it returns.
func (c *Client) Do(ctx context.Context, ent EnterpriseID, cmd Command, opts ...WriteOption) (Outcome, error) {
	cmd, refused := addressed(ent, cmd)
	if refused != nil {
		return Outcome{}, refused
	}
	r := cmd.overHTTP(ent).asWrite(opts)
	out := Outcome{CommandID: r.header.Get(headerIdempotencyKey), Command: cmd.CommandName()}
	var receipt Receipt
	err := c.do(ctx, r, &receipt)
	var e *Error
	switch {
	case err == nil:
		out.Result, out.ID, out.Sequence, out.Warnings = Accepted, receipt.ID, receipt.Sequence, receipt.Warnings
		return out, nil
	case !errors.As(err, &e):
		return out, &UnknownError{ID: out.CommandID, Err: err}
	case e.Status == 0 && e.Code != CodeNoAnswer && e.Code != CodeUnexpected: // it was not sent
		return out, e
	case e.Status >= 500, e.Status < 400, e.Status == http.StatusTooManyRequests, e.Status == http.StatusRequestTimeout, e.Code == CodeUnexpected:
		// Of the last try it may be known that it did nothing; of those before it is not.
		return out, &UnknownError{ID: out.CommandID, Err: e}
	case e.Status == http.StatusUnauthorized:
		return out, e
	}
	out.Result, out.Error = Rejected, e
	return out, e
}

// addressed checks that cmd can be given to ent, and fills in what the address
// says already.
func addressed(ent EnterpriseID, cmd Command) (Command, *Error) {
	if cmd == nil {
		return nil, refused(CodeMalformed, "", "there is no command")
	}
	if r, ok := cmd.(interface {
		named(EnterpriseID) (Command, *Error)
	}); ok {
		return r.named(ent)
	}
	return cmd, nil
}
