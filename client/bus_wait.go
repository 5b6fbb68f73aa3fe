package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// The pauses between two looks for an outcome that nobody told of.
const (
	firstLook = 250 * time.Millisecond
	lastLook  = 5 * time.Second
	// soon is the pause after word of an outcome that is not kept yet.
	soon = 10 * time.Millisecond
)

// WaitOutcome returns the outcome of the command that was published under id, as
// soon as there is one: also one that came while nobody listened, within the
// seven days for which outcomes are kept. It works on after a lost connection.
//
// err is nil when the command was accepted, and the *Error of the outcome when it
// was rejected or failed. It is an *UnknownError when ctx ends before there is an
// outcome: the command waits, or it was parked and an operator decides, or there
// never was one of that id. Any other *Error means that id or ent cannot exist, or
// with CodeForbidden that outcomes of ent are not for this user.
func (b *Bus) WaitOutcome(ctx context.Context, ent EnterpriseID, id string) (Outcome, error) {
	out := Outcome{CommandID: id}
	if e := address(ent, id); e != nil {
		return out, e
	}
	place := strings.ToLower(string(ent)) + "." + id
	told := make(chan struct{}, 1)
	sub, err := b.nc.Subscribe(outcomesRoot+place, func(*nats.Msg) {
		select {
		case told <- struct{}{}:
		default: // once is enough
		}
	})
	if err != nil {
		return out, &UnknownError{ID: id, Err: noAnswer(err)}
	}
	defer func() { _ = sub.Unsubscribe() }() // of a connection that is closed: gone already
	changed := b.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer b.nc.RemoveStatusListener(changed)

	var last *Error
	word := false // somebody spoke of an outcome
	for wait := firstLook; ; wait = min(2*wait, lastLook) {
		got, found, e := b.lookUp(ctx, place, id)
		switch {
		case found:
			return got, got.Err()
		case e != nil && (e.Code == CodeForbidden || e.Status == http.StatusBadRequest):
			return out, e
		case ctx.Err() != nil:
			return out, &UnknownError{ID: id, Err: noOutcome(ctx, last)}
		case b.nc.IsClosed():
			return out, &UnknownError{ID: id, Err: noAnswer(nats.ErrConnectionClosed)}
		}
		last = e
		if word {
			wait = soon
		}
		word = listen(ctx, told, changed, wait)
	}
}

// lookUp asks once for the outcome at a place, that of id; the error says why
// that is not known.
func (b *Bus) lookUp(ctx context.Context, place, id string) (out Outcome, found bool, e *Error) {
	v := b.try(ctx, &nats.Msg{Subject: lookupRoot + place}, func(answer *nats.Msg) verdict {
		if v, failed := serviceFailed(answer); failed {
			return v
		}
		var got Outcome
		if json.Unmarshal(answer.Data, &got) != nil || got.CommandID != id {
			return verdict{err: notOurs()}
		}
		out = got
		return verdict{}
	})
	if v.err == nil {
		return out, true, nil
	}
	if v.err.Status == http.StatusNotFound {
		return Outcome{}, false, nil
	}
	return Outcome{}, false, v.err
}

// listen waits until it is time to look, and reports whether somebody spoke of an
// outcome. That is a reason to look and no more: what is published is heard also
// when it is not kept, because another outcome stands.
func listen(ctx context.Context, told <-chan struct{}, changed <-chan nats.Status, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-told:
		return true
	case <-changed: // what was said in between is lost, or nothing more is said
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

// noOutcome is the error of who waited for an outcome in vain.
func noOutcome(ctx context.Context, last *Error) *Error {
	e := noAnswer(context.Cause(ctx))
	e.Detail = "there was no outcome when the time was up"
	if errors.Is(e.cause, context.Canceled) {
		e.Detail = "there was no outcome when the caller gave up"
	}
	if last != nil {
		e.Detail += ", and it could not be asked for: " + last.Error()
	}
	return e
}
