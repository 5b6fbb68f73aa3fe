package bus

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// The endpoints of the service.
const (
	endpointCommand = "command"
	endpointOutcome = "outcome"
)

// Codes of answers that are no outcome.
const (
	codeTooMany     domain.Code = "too_many_requests"
	codeStopping    domain.Code = "stopping"
	codeUnavailable domain.Code = "unavailable"
	codeInternal    domain.Code = "internal"
)

// noID stands for the command id of a request without one while it is read.
const noID = "-"

// answer is what a request gets: an outcome, or why there is none.
type answer struct {
	body    []byte // JSON
	problem *problem
	result  string // for the metrics
}

// problem is a problem document (RFC 9457), as over HTTP.
type problem struct {
	Type   string      `json:"type"`
	Title  string      `json:"title"`
	Status int         `json:"status"`
	Detail string      `json:"detail"`
	Code   domain.Code `json:"code"`
	Field  string      `json:"field,omitempty"`
}

// noResult is an answer that is no outcome.
func noResult(status int, code domain.Code, field, detail string) answer {
	p := &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code, Field: field}
	body, err := json.Marshal(p)
	if err != nil { // of texts and a number: does not happen
		body = nil
	}
	return answer{body: body, problem: p, result: string(code)}
}

func busy() answer {
	return noResult(http.StatusTooManyRequests, codeTooMany, "", "too many requests wait, in all or to this enterprise; nothing was done, try again")
}

func stopping() answer {
	return noResult(http.StatusServiceUnavailable, codeStopping, "", "this process stops; nothing was done, try again")
}

// answer carries a request out. It does not panic.
func (s *server) answer(ctx context.Context, j job) (a answer) {
	ctx, cancel := context.WithDeadline(ctx, s.deadline(j.at, time.Now()))
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			s.o.Logger.Error("a request panicked", slog.String("enterprise", j.lane), slog.String("command_id", j.header.commandID),
				slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			a = noResult(http.StatusInternalServerError, codeInternal, "",
				"something went wrong, and it is not known whether the command took effect; the log of the server says more")
		}
	}()
	if j.endpoint == endpointOutcome {
		return s.lookUp(ctx, j)
	}
	return s.command(ctx, j)
}

// command carries a command out. What is wrong with the request itself is in the
// reply alone: no outcome of it is kept, and nothing is parked.
func (s *server) command(ctx context.Context, j job) answer {
	h := j.header
	if h.commandID == "" {
		h.commandID = noID
	}
	in := incomingFrom(j.tail, h, j.body)
	req, refused := in.decode()
	if refused != nil {
		return outcome(command.Outcome{
			CommandID: events.CommandID(j.header.commandID), Command: in.origin.command, Result: refused.result, Error: refused.err, At: time.Now().UTC(),
		})
	}
	if j.header.commandID == "" {
		req.ID = ""
	}
	receipt, err := s.writer.Handle(ctx, req)
	out := command.Outcome{CommandID: req.ID, Command: req.Command.Name()}
	if req.ID != "" {
		out.Hash = command.Hash(req.Command)
	}
	var refusal *domain.Error
	switch {
	case err == nil:
		out.Result, out.CommandID, out.ID, out.Sequence = command.Accepted, receipt.CommandID, receipt.ID, receipt.Sequence
		out.Events, out.Warnings, out.Results, out.At = receipt.Events, receipt.Warnings, receipt.Results, receipt.At
	case errors.As(err, &refusal):
		if kept, ok := s.kept(ctx, req.Enterprise, out); ok {
			return kept
		}
		out.Result, out.Error, out.At = command.Rejected, refusal, time.Now().UTC()
	default:
		return s.undecided(req, err)
	}
	return outcome(out)
}

// kept is the outcome that was kept of a command that was refused, byte for byte:
// the write loop says why alone, and not when, nor that an operator had given the
// command up. ok is false when none was kept, or one of another command of that id.
func (s *server) kept(ctx context.Context, ent events.EnterpriseID, of command.Outcome) (a answer, ok bool) {
	if of.CommandID == "" {
		return answer{}, false
	}
	data, ok, err := s.outcomes.Find(ctx, ent, of.CommandID)
	var out command.Outcome
	if err != nil || !ok || json.Unmarshal(data, &out) != nil || out.Hash != of.Hash || out.Error == nil {
		return answer{}, false
	}
	return answer{body: data, result: string(out.Result)}, true
}

// undecided is the answer when it is not known what became of a command.
func (s *server) undecided(req command.Request, err error) answer {
	log := s.o.Logger.With(slog.String("enterprise", string(req.Enterprise)), slog.String("command_id", string(req.ID)))
	switch {
	case errors.Is(err, command.ErrFull):
		return noResult(http.StatusServiceUnavailable, codeUnavailable, "", "the log has reached its limit; an administrator must give it more room")
	case errors.Is(err, command.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		log.Warn("a request was not decided", slog.Any("err", err))
		return noResult(http.StatusServiceUnavailable, codeUnavailable, "",
			"the log does not answer, and the command may have taken effect: repeat it with the same Command-Id")
	}
	log.Error("a request failed", slog.Any("err", err))
	return noResult(http.StatusInternalServerError, codeInternal, "", "something went wrong; the log of the server says more")
}

// lookUp answers with an outcome that was kept, byte for byte.
func (s *server) lookUp(ctx context.Context, j job) answer {
	enterprise, name, _ := strings.Cut(j.tail, ".")
	ent, err := events.ParseEnterpriseID(enterprise)
	if err != nil {
		return noResult(http.StatusBadRequest, domain.Invalid, "enterprise", rule(err))
	}
	id, err := events.ParseCommandID(name)
	if err != nil {
		return noResult(http.StatusBadRequest, domain.Invalid, "command_id", rule(err))
	}
	data, ok, err := s.outcomes.Find(ctx, ent, id)
	switch {
	case err != nil:
		s.o.Logger.Warn("an outcome could not be looked up", slog.String("enterprise", string(ent)), slog.String("command_id", string(id)), slog.Any("err", err))
		return noResult(http.StatusServiceUnavailable, codeUnavailable, "", "the outcomes do not answer; try again")
	case !ok:
		return noResult(http.StatusNotFound, domain.NotFound, "", "no outcome of this command is kept: it waits, it is parked, or there was none within seven days")
	}
	return answer{body: data, result: resultFound}
}

// outcome is an answer with an outcome.
func outcome(out command.Outcome) answer {
	if out.Events == nil {
		out.Events = []events.EventID{}
	}
	body, err := json.Marshal(out)
	if err != nil {
		return noResult(http.StatusInternalServerError, codeInternal, "", "the outcome cannot be encoded")
	}
	return answer{body: body, result: string(out.Result)}
}
