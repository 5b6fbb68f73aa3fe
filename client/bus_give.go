package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// Headers with which a NATS service answers that it has no result.
const (
	serviceError     = "Nats-Service-Error"
	serviceErrorCode = "Nats-Service-Error-Code"
)

// codeStopping is what a server says that stops: it has done nothing.
const codeStopping = "stopping"

// Do sends cmd as a request and returns its outcome. It repeats the request under
// the same id until an answer comes or ctx ends; see Commander for the error.
func (b *Bus) Do(ctx context.Context, ent EnterpriseID, cmd Command, opts ...WriteOption) (Outcome, error) {
	p, e := pack(requestsRoot, ent, cmd, opts)
	if e != nil {
		return Outcome{CommandID: p.id, Command: p.name}, e
	}
	out := Outcome{CommandID: p.id, Command: p.name}
	err := b.give(ctx, p, func(answer *nats.Msg) verdict {
		if v, failed := serviceFailed(answer); failed {
			return v
		}
		var got Outcome
		if err := json.Unmarshal(answer.Data, &got); err != nil || got.CommandID != p.id {
			return verdict{err: notOurs(), final: true}
		}
		out = got
		p.keep(answer.Data)
		return verdict{}
	})
	if err != nil {
		return out, err
	}
	return out, out.Err()
}

// Publish puts cmd into the queue of commands and returns its id once it is kept
// there: from then on it is carried out and has an outcome, whatever becomes of
// the caller. Without IdempotencyKey a new id is made. Publish tries again until
// ctx ends; to repeat it with the same id is safe.
//
// The error is an *Error when cmd is not in the queue, and an *UnknownError when
// it may be.
func (b *Bus) Publish(ctx context.Context, ent EnterpriseID, cmd Command, opts ...WriteOption) (id string, err error) {
	p, e := pack(commandsRoot, ent, cmd, opts)
	if e != nil {
		return p.id, e
	}
	return p.id, b.give(ctx, p, readAck)
}

// verdict is what an answer means for a command.
type verdict struct {
	err    *Error // nil: it was answered
	undone bool   // it is certain that this try did nothing
	final  bool   // another try would not help
}

// give sends p until read finds an answer.
func (b *Bus) give(ctx context.Context, p parcel, read func(*nats.Msg) verdict) error {
	perhaps := false
	fail := func(e *Error) error {
		e.IdempotencyKey = p.id
		if perhaps {
			return &UnknownError{ID: p.id, Err: e}
		}
		return e
	}
	var last *Error
	for pauses := waits(); ; {
		if ctx.Err() != nil {
			return fail(gaveUp(ctx, last))
		}
		v := b.try(ctx, p.msg, read)
		perhaps = perhaps || v.err != nil && !v.undone
		switch {
		case v.err == nil:
			return nil
		case v.final:
			return fail(v.err)
		case ctx.Err() != nil:
			return fail(gaveUp(ctx, last))
		}
		last = v.err
		pause(ctx, pauses.NextBackOff())
	}
}

// try sends m once.
func (b *Bus) try(ctx context.Context, m *nats.Msg, read func(*nats.Msg) verdict) verdict {
	answer, sent, err := b.ask(ctx, m)
	switch {
	case err == nil:
		return read(answer)
	case errors.Is(err, nats.ErrNoResponders):
		e := noAnswer(err)
		e.Code, e.Detail = CodeUnavailable, "nobody serves "+m.Subject+" at the moment, as far as this account sees"
		return verdict{err: e, undone: true}
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrHeadersNotSupported): // the second: never yet
		e := noAnswer(err)
		e.Detail = "there is no connection"
		if last := b.nc.LastError(); last != nil {
			e.Detail += ": " + last.Error()
		}
		return verdict{err: e, undone: true}
	case errors.Is(err, errDenied):
		return verdict{err: refused(CodeForbidden, "", "the server does not let this user publish to "+m.Subject), undone: true, final: true}
	}
	return verdict{err: noAnswer(err), undone: !sent, final: !sent || b.nc.IsClosed()}
}

// serviceFailed reads the answer of a service that has no result.
func serviceFailed(answer *nats.Msg) (v verdict, failed bool) {
	code := answer.Header.Get(serviceErrorCode)
	if code == "" {
		return verdict{}, false
	}
	e := &Error{}
	if json.Unmarshal(answer.Data, e) != nil || e.Code == "" {
		e = &Error{Type: "about:blank", Title: "No outcome", Code: CodeUnexpected, Detail: answer.Header.Get(serviceError)}
	} else {
		e.Document = answer.Data
	}
	e.Status, _ = strconv.Atoi(code) // 0 when it is no number
	again := e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
	undone := e.Status/100 == 4 || e.Code == codeStopping
	return verdict{err: e, undone: undone, final: !again}, true
}

// readAck reads the acknowledgement of the stream.
func readAck(answer *nats.Msg) verdict {
	const (
		storeFailed = 10077 // by the limits of the stream, above all
		noRoom      = 10002 // of the account: 400, though the command is as good as any
	)
	var ack struct {
		Stream string `json:"stream"`
		Seq    uint64 `json:"seq"`
		Error  *struct {
			Code        int    `json:"code"`
			ErrCode     int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	switch err := json.Unmarshal(answer.Data, &ack); {
	case err == nil && ack.Error != nil:
		e := &Error{
			Type: "about:blank", Title: "Not in the queue", Status: ack.Error.Code, Code: CodeUnavailable,
			Detail: "the queue does not take the command: " + ack.Error.Description,
		}
		refused := ack.Error.Code/100 == 4
		passes := ack.Error.Code == http.StatusTooManyRequests || ack.Error.ErrCode == noRoom
		return verdict{err: e, undone: ack.Error.ErrCode == storeFailed || refused, final: refused && !passes}
	case err != nil || ack.Stream == "" || ack.Seq == 0:
		return verdict{err: notOurs(), final: true}
	}
	return verdict{}
}

// notOurs is the error of an answer that somebody else gave.
func notOurs() *Error {
	return &Error{Type: "about:blank", Title: "Unexpected answer", Code: CodeUnexpected, Detail: "the answer is not one of this API"}
}

// gaveUp is the error of a call whose context has ended; last is what the try
// before came to.
func gaveUp(ctx context.Context, last *Error) *Error {
	e := noAnswer(context.Cause(ctx))
	if last == nil {
		return e
	}
	e.Detail = "the time was up"
	if errors.Is(e.cause, context.Canceled) {
		e.Detail = "the caller gave up"
	}
	e.Detail += "; the last try: " + last.Error()
	return e
}

// pause waits for d or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
