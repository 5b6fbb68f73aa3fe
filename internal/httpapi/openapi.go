package httpapi

import (
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/peering/peering/internal/domain"
)

// bodyDoc describes the body of a request. The type is for the document alone:
// bodies are read by command.Decode, and a test holds the two together.
type bodyDoc struct {
	command  domain.CommandName
	schema   reflect.Type
	lines    reflect.Type   // of a line, when the body may be lines; nil: it may not
	line     any            // example of a line
	examples map[string]any // by summary
	optional bool           // the request may have none
}

// describe makes the framework's operation of op.
func (a *api) describe(op operation) huma.Operation {
	schemas := a.huma.OpenAPI().Components.Schemas
	h := huma.Operation{
		OperationID: op.id, Summary: op.summary, Description: op.about,
		Method: op.method, Path: op.path, Tags: []string{op.tag}, Security: bearerOrNone(),
		DefaultStatus: op.success(),
		Parameters:    op.params, SkipValidateParams: true, SkipValidateBody: true,
		Responses: map[string]*huma.Response{},
	}
	problems := schemas.Schema(reflect.TypeFor[Problem](), true, "")
	for status, codes := range byStatus(op.allCodes()) {
		h.Responses[strconv.Itoa(status)] = problemResponse(problems, status, codes)
	}
	return h
}

// allCodes are the codes op may be refused with, those of every operation among
// them.
func (op operation) allCodes() []domain.Code {
	codes := []domain.Code{
		domain.Malformed, codeUnauthenticated, domain.Forbidden, domain.Invalid, codeTooMany, codeInternal, codeStarting, codeUnavailable,
	}
	switch {
	case op.method != http.MethodGet && slices.Contains(op.backEnds(), theLog):
		codes = append(codes, domain.IDReused, codeDiscarded, codeTimeout, codeTooLarge, codeMediaType)
	case op.body != nil:
		codes = append(codes, codeTimeout, codeTooLarge, codeMediaType)
	case op.canBeHeld():
		codes = append(codes, codeHeld)
	}
	return append(codes, op.codes...)
}

// canBeHeld reports whether op may wait for what an enterprise has: a list of all
// enterprises waits for none of them.
func (op operation) canBeHeld() bool {
	ofOne := strings.HasPrefix(op.path, enterprisePath) || queryParam(op.params, "enterprise") != nil
	return ofOne && queryParam(op.params, "min_seq") != nil
}

func byStatus(codes []domain.Code) map[int][]domain.Code {
	out := map[int][]domain.Code{}
	for _, c := range codes {
		status := statusOf(c)
		if !slices.Contains(out[status], c) {
			out[status] = append(out[status], c)
		}
	}
	return out
}

func problemResponse(schema *huma.Schema, status int, codes []domain.Code) *huma.Response {
	slices.Sort(codes)
	names := make([]string, len(codes))
	examples := map[string]*huma.Example{}
	for i, code := range codes {
		names[i] = "`" + string(code) + "`"
		p := problem(code, "", "%s", meaning(code))
		examples[string(code)] = &huma.Example{Summary: meaning(code), Value: p}
	}
	r := &huma.Response{
		Description: http.StatusText(status) + ": " + strings.Join(names, ", "),
		Content:     map[string]*huma.MediaType{problemType: {Schema: schema, Examples: examples}},
	}
	switch status {
	case http.StatusUnauthorized:
		r.Headers = map[string]*huma.Param{"WWW-Authenticate": {Description: "How to authenticate.", Required: true, Example: "Bearer", Schema: &huma.Schema{Type: huma.TypeString}}}
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		r.Headers = map[string]*huma.Param{"Retry-After": {Description: "Seconds after which to try again.", Required: true, Example: 1, Schema: &huma.Schema{Type: huma.TypeInteger}}}
	}
	return r
}

// meaning explains a code in the document.
func meaning(code domain.Code) string {
	switch code {
	case domain.Malformed:
		return "What was sent cannot be read."
	case codeUnauthenticated:
		return "There is no token, or it is not a good one."
	case domain.Forbidden:
		return "The caller may not do this."
	case domain.NotFound:
		return "There is no such thing."
	case domain.Exists:
		return "Something else has this name or address already; field says which."
	case codeConflict:
		return "Something is being done to it already, or has to happen first. Try again later."
	case domain.Gone:
		return "It was deleted; the document says by whom, when and why."
	case domain.Stale:
		return "It was changed since the ETag was read; the document says by whom and when."
	case domain.Invalid:
		return "A rule is broken; field says where."
	case domain.Unsupported:
		return "Peering is not supported on MiCloud Flex."
	case domain.FollowsPeer:
		return "The entry follows its peer: change the peer instead."
	case domain.IDReused:
		return "The Idempotency-Key was used for another command."
	case codeDiscarded:
		return "The command of this Idempotency-Key came over the bus before, and an operator gave it up. Use a new key."
	case codeTimeout:
		return "The body did not arrive in time."
	case codeTooLarge:
		return "The body is larger than 1 MiB."
	case codeMediaType:
		return "The body is not said to be JSON."
	case codeTooMany:
		return "The caller asks too often; Retry-After says when to go on."
	case codeStarting:
		return "The program is still starting."
	case codeUnavailable:
		return "The event log, the database, the bus or a prober does not answer, or min_seq was not reached in time."
	case codeHeld:
		return "An event of this enterprise cannot be shown; an operator has to act."
	default:
		return "Something went wrong here."
	}
}

func exampleKey(summary string) string {
	return strings.ReplaceAll(strings.ToLower(summary), " ", "-")
}

// completeNull says of the properties of s that may be null what the framework
// cannot say: that an object may be, and that null is then one of an enum.
func completeNull(s *huma.Schema) {
	objects, _ := s.Extensions[nullableKey].([]string)
	delete(s.Extensions, nullableKey)
	for name, p := range s.Properties {
		switch {
		case p.Nullable && len(p.Enum) > 0:
			p.Enum = append(p.Enum, nil)
		case p.Ref != "" && slices.Contains(objects, name):
			s.Properties[name] = &huma.Schema{
				Description: p.Description,
				AnyOf:       []*huma.Schema{{Ref: p.Ref}, {Type: "null"}},
			}
		}
	}
}

// nullableKey marks a schema for completeNull; it does not stay in the document.
const nullableKey = "x-nullable-objects"

// mayBeNull notes in s which of its properties are objects or null.
func mayBeNull(s *huma.Schema, names ...string) *huma.Schema {
	s.Extensions = map[string]any{nullableKey: names}
	return s
}
