package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// Codes of refusals that do not come from the domain.
const (
	codeUnauthenticated  domain.Code = "unauthenticated"
	codeConflict         domain.Code = "conflict"
	codeMethodNotAllowed domain.Code = "method_not_allowed"
	codeTimeout          domain.Code = "timeout"
	codeTooLarge         domain.Code = "too_large"
	codeMediaType        domain.Code = "unsupported_media_type"
	codeTooMany          domain.Code = "too_many_requests"
	codeInternal         domain.Code = "internal"
	codeStarting         domain.Code = "starting"
	codeUnavailable      domain.Code = "unavailable"
	codeNotReady         domain.Code = "not_ready"
	codeHeld             domain.Code = "projection_held"
	codeDiscarded        domain.Code = "discarded" // of a command that came over the bus
)

const problemType = "application/problem+json"

// Problem is a problem document (RFC 9457): the answer to everything that is
// refused or fails. Code and field are stable, the words are for people.
type Problem struct {
	Type   string      `json:"type" doc:"Always about:blank: the code tells what is wrong." example:"about:blank"`
	Title  string      `json:"title" doc:"The name of the status." example:"Unprocessable Entity"`
	Status int         `json:"status" doc:"The HTTP status." example:"422"`
	Detail string      `json:"detail" doc:"What is wrong, for a person." example:"may contain only letters, digits, dashes and spaces"`
	Code   domain.Code `json:"code" doc:"Stable name of the kind of refusal." example:"invalid"`
	Field  string      `json:"field,omitempty" doc:"The field, query parameter or header that is wrong." example:"description"`

	Instance  string        `json:"instance,omitempty" doc:"With status 500: the id under which the cause is in the log."`
	Peer      events.PeerID `json:"peer,omitempty" doc:"With follows_peer: the peer to change instead."`
	Current   events.Seq    `json:"current,omitempty" doc:"With stale: the revision there is now."`
	ChangedBy string        `json:"changed_by,omitempty" doc:"With stale: who made that revision."`
	ChangedAt *time.Time    `json:"changed_at,omitempty" nullable:"false" doc:"With stale: when it was made."`
	DeletedBy string        `json:"deleted_by,omitempty" doc:"With gone: who deleted it."`
	DeletedAt *time.Time    `json:"deleted_at,omitempty" nullable:"false" doc:"With gone: when it was deleted."`
	Reason    string        `json:"reason,omitempty" doc:"With gone: the reason that was given."`
	Sequence  events.Seq    `json:"sequence,omitempty" doc:"With gone: the event that deleted it. With projection_held: the event that cannot be applied."`
	Results   []RowResult   `json:"results,omitempty" nullable:"false" doc:"With a refused bulk change: what each operation would have come to."`
	Reasons   []string      `json:"reasons,omitempty" nullable:"false" doc:"With not_ready: what the program waits for."`

	header http.Header
}

// statusOf maps every code to its status.
func statusOf(code domain.Code) int {
	switch code {
	case domain.Malformed:
		return http.StatusBadRequest
	case codeUnauthenticated:
		return http.StatusUnauthorized
	case domain.Forbidden:
		return http.StatusForbidden
	case domain.NotFound:
		return http.StatusNotFound
	case codeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case codeTimeout:
		return http.StatusRequestTimeout
	case domain.Exists, codeConflict, codeDiscarded:
		return http.StatusConflict
	case domain.Gone:
		return http.StatusGone
	case domain.Stale:
		return http.StatusPreconditionFailed
	case codeTooLarge:
		return http.StatusRequestEntityTooLarge
	case codeMediaType:
		return http.StatusUnsupportedMediaType
	case codeTooMany:
		return http.StatusTooManyRequests
	case domain.Invalid, domain.Unsupported, domain.FollowsPeer, domain.IDReused:
		return http.StatusUnprocessableEntity
	case codeStarting, codeUnavailable, codeNotReady, codeHeld:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// problem makes a problem document of a code; detail must be safe to show.
func problem(code domain.Code, field, detail string, args ...any) *Problem {
	if len(args) > 0 {
		detail = fmt.Sprintf(detail, args...)
	}
	status := statusOf(code)
	p := &Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: detail, Code: code, Field: field, header: http.Header{},
	}
	if status == http.StatusServiceUnavailable {
		p.header.Set("Retry-After", "1")
	}
	return p
}

// Error implements error.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// GetStatus tells the framework the status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders tells the framework which headers go with the problem.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType tells the framework the media type.
func (p *Problem) ContentType(string) string { return problemType }

// write answers a request with p outside the framework.
func (p *Problem) write(w http.ResponseWriter) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = marshal(w, p) // of texts and numbers: it can be encoded
}

// problemOf maps an error of a back end to the problem to show. expected is
// false for an error that nobody foresaw: its text is not for the caller, and
// the log needs it.
func problemOf(err error) (p *Problem, expected bool) {
	var refusal *domain.Error
	var query *readmodel.QueryError
	var held *readmodel.HeldError
	switch {
	case errors.As(err, &p):
		return p, true
	case errors.As(err, &refusal):
		return refused(refusal), true
	case errors.As(err, &query):
		return problem(domain.Invalid, query.Field, "%s", query.Msg), true
	case errors.As(err, &held):
		p = problem(codeHeld, "", "The event at sequence %d of enterprise %s cannot be shown yet, and later ones wait behind it. An operator has to retry or discard it.", held.HeldAt, held.Enterprise)
		p.Sequence = held.HeldAt
		p.header.Set("Retry-After", "30")
		return p, true
	case errors.Is(err, command.ErrFull):
		p = problem(codeUnavailable, "", "The event log is full: nothing was written. An operator has to raise its limit or free space.")
		p.header.Set("Retry-After", "30")
		return p, true
	case errors.Is(err, readmodel.ErrNotFound):
		return problem(domain.NotFound, "", "There is no such thing."), true
	case errors.Is(err, readmodel.ErrUnavailable):
		return problem(codeUnavailable, "", "The database does not answer. Try again."), true
	case errors.Is(err, command.ErrUnavailable):
		return problem(codeUnavailable, "", "The event log does not answer. The command may have taken effect: repeat it with the same Idempotency-Key, or read before trying again."), true
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return problem(codeUnavailable, "", "The answer took too long. Try again."), true
	}
	return problem(codeInternal, "", "Something went wrong here. The log says more."), false
}

// refused shows a refusal of the domain, with all it says.
func refused(e *domain.Error) *Problem {
	p := problem(e.Code, headerOf(e.Field), "%s", e.Msg)
	p.Peer = e.Peer
	p.Results = rowsOf(e.Results)
	if s := e.Stale; s != nil {
		p.Current, p.ChangedBy, p.ChangedAt = s.Current, s.ChangedBy, &s.ChangedAt
	}
	if g := e.Gone; g != nil {
		p.story(readmodel.Removal(*g))
	}
	return p
}

// gone is the answer to a read of something that is no longer there.
func gone(what string, r readmodel.Removal) *Problem {
	detail := what + " was deleted by " + r.By + " at " + r.At.UTC().Format(time.RFC3339)
	if r.Reason != "" {
		detail += ": " + r.Reason
	}
	p := problem(domain.Gone, "", "%s", detail)
	p.story(r)
	return p
}

func (p *Problem) story(r readmodel.Removal) {
	p.Sequence, p.DeletedBy, p.DeletedAt, p.Reason = r.Seq, r.By, &r.At, r.Reason
}

// frameworkProblem turns an error of the framework into a problem document of
// ours, so that every refusal has the same form.
func frameworkProblem(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	code := domain.Malformed
	switch {
	case m.Status == http.StatusRequestEntityTooLarge:
		code = codeTooLarge
	case m.Status == http.StatusUnprocessableEntity:
		code = domain.Invalid
	case m.Status >= http.StatusInternalServerError:
		code = codeInternal
	}
	p := problem(code, "", "%s", m.Detail)
	p.Status, p.Title = m.Status, http.StatusText(m.Status)
	if len(m.Errors) > 0 {
		p.Detail = m.Errors[0].Message
		p.Field = m.Errors[0].Location[strings.LastIndexByte(m.Errors[0].Location, '.')+1:]
	}
	return p, nil
}
