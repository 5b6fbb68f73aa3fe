package command

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// The longest values of what travels with a command, in characters.
const (
	maxReason = 500
	maxActor  = 200
	maxTrace  = 128
)

// order is one command on its way through the loop.
type order struct {
	Request
	hash  string        // empty: the client chose no id, nothing is remembered
	newID string        // of what the command adds, the same in every attempt
	fault *domain.Error // of what travels with the command; not remembered
}

// newOrder checks a request. The error is a *domain.Error: a command that has
// no usable enterprise or id, so that no outcome can be kept of it.
func newOrder(req Request, newID func() string) (*order, error) {
	if req.Command == nil {
		return nil, &domain.Error{Code: domain.Malformed, Msg: "there is no command"}
	}
	ent, err := events.ParseEnterpriseID(string(req.Enterprise))
	if err != nil {
		return nil, idFault("enterprise", err)
	}
	req.Enterprise = ent
	o := &order{Request: req, newID: newID()}
	if req.ID == "" {
		o.ID = events.CommandID(newID())
	} else {
		if _, err := events.ParseCommandID(string(req.ID)); err != nil {
			return nil, idFault("command_id", err)
		}
		o.hash = Hash(req.Command)
	}
	o.fault = o.clean()
	return o, nil
}

// clean brings what travels with the command into the form in which the log
// can keep it, and refuses what would be lost there.
func (o *order) clean() *domain.Error {
	for _, c := range []struct {
		field string
		value *string
		limit int
	}{
		{"actor", &o.Actor, maxActor},
		{"on_behalf_of", &o.OnBehalfOf, maxActor},
		{"reason", &o.Reason, maxReason},
		{"correlation_id", &o.CorrelationID, maxTrace},
		{"causation_id", &o.CausationID, maxTrace},
	} {
		*c.value = strings.TrimSpace(*c.value)
		switch {
		case !utf8.ValidString(*c.value):
			return malformed(c.field, "is not valid UTF-8")
		case strings.ContainsFunc(*c.value, unicode.IsControl):
			return malformed(c.field, "has a control character")
		case utf8.RuneCountInString(*c.value) > c.limit:
			return &domain.Error{Code: domain.Invalid, Field: c.field, Msg: fmt.Sprintf("must have at most %d characters", c.limit)}
		}
	}
	if o.CorrelationID == "" {
		o.CorrelationID = string(o.ID)
	}
	if !isTraceparent(o.Traceparent) {
		o.Traceparent = "" // whoever receives a wrong one must ignore it (W3C Trace Context)
	}
	return nil
}

func (o *order) subject() events.Subject { return events.ConfigSubject(o.Enterprise) }

// remembered returns what the fold remembers of the order's id.
func (o *order) remembered(state *domain.Enterprise) (domain.RememberedCommand, bool) {
	if o.hash == "" {
		return domain.RememberedCommand{}, false
	}
	return state.Remembered(o.ID)
}

// decide asks the domain. refusal is nil when the command is accepted.
func (o *order) decide(state *domain.Enterprise, now time.Time) (d domain.Decision, refusal *domain.Error) {
	if o.fault != nil {
		return domain.Decision{}, o.fault
	}
	d, err := domain.Decide(state, o.Command, domain.Input{Now: now, NewID: o.newID, IfRevision: o.IfRevision, DryRun: o.DryRun})
	if err != nil && !errors.As(err, &refusal) {
		refusal = &domain.Error{Code: domain.Invalid, Msg: err.Error()}
	}
	return d, refusal
}

// envelopes are the events of d as they are stored. Their ids say which command
// they come from, so that a repeat is recognised.
func (o *order) envelopes(d domain.Decision, now time.Time) []events.Envelope {
	evs := make([]events.Envelope, len(d.Events))
	for i, ev := range d.Events {
		evs[i] = events.Envelope{
			ID:            events.NewEventID(o.Enterprise, o.ID, i),
			Enterprise:    o.Enterprise,
			Time:          now,
			CommandID:     o.ID,
			CommandHash:   o.hash,
			Index:         i,
			Count:         len(d.Events),
			CorrelationID: o.CorrelationID,
			CausationID:   o.CausationID,
			Actor:         o.Actor,
			OnBehalfOf:    o.OnBehalfOf,
			Reason:        o.Reason,
			Traceparent:   o.Traceparent,
			Event:         ev,
		}
	}
	return evs
}

func idFault(field string, err error) error {
	refusal := &domain.Error{Code: domain.Invalid, Field: field, Msg: err.Error()}
	var id *events.IDError
	if errors.As(err, &id) {
		refusal.Msg = id.Rule
	}
	return refusal
}

// isTraceparent reports whether s has the form of the W3C header.
func isTraceparent(s string) bool {
	parts := strings.Split(s, "-")
	if len(parts) != 4 {
		return false
	}
	for i, length := range []int{2, 32, 16, 2} {
		if len(parts[i]) != length || strings.Trim(parts[i], "0123456789abcdef") != "" {
			return false
		}
	}
	return true
}
