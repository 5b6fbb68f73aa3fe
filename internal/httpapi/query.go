package httpapi

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/peering/peering/internal/domain"
)

// maxParameter is the longest value of a query parameter in bytes.
const maxParameter = 2048

// check reads a query string against the documented parameters. Every refusal
// names the parameter; an empty value counts as not given.
func check(raw string, params []*huma.Param) (url.Values, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, problem(domain.Malformed, "", "The query string cannot be read.")
	}
	for name, values := range query {
		p := queryParam(params, name)
		if p == nil {
			return nil, problem(domain.Invalid, printable(name), "There is no query parameter of this name here. Known: %s.", known(params))
		}
		if len(values) > 1 {
			return nil, problem(domain.Invalid, name, "The parameter is given more than once.")
		}
		if values[0] == "" {
			delete(query, name)
			continue
		}
		if err := conforms(p.Schema, values[0]); err != nil {
			return nil, problem(domain.Invalid, name, "%s", err.Error())
		}
	}
	return query, nil
}

func queryParam(params []*huma.Param, name string) *huma.Param {
	for _, p := range params {
		if p.In == "query" && p.Name == name {
			return p
		}
	}
	return nil
}

func known(params []*huma.Param) string {
	var names []string
	for _, p := range params {
		if p.In == "query" {
			names = append(names, p.Name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ", ")
}

// conforms checks a value against the documented schema of its parameter; the
// error's text is for the caller.
func conforms(s *huma.Schema, v string) error {
	switch {
	case len(v) > maxParameter:
		return errors.New("is longer than " + strconv.Itoa(maxParameter) + " bytes")
	case !utf8.ValidString(v), strings.ContainsFunc(v, isControl):
		return errors.New("has control characters or invalid UTF-8")
	case s.Type == huma.TypeInteger:
		return inRange(s, v)
	case s.Type == huma.TypeBoolean && v != "true" && v != "false":
		return errors.New("must be true or false")
	case len(s.Enum) > 0:
		var allowed []string
		for _, e := range s.Enum {
			if e == any(v) {
				return nil
			}
			allowed = append(allowed, e.(string))
		}
		return errors.New("must be one of " + strings.Join(allowed, ", "))
	}
	return nil
}

func inRange(s *huma.Schema, v string) error {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || v[0] == '+' || n < int64(*s.Minimum) || (s.Maximum != nil && n > int64(*s.Maximum)) {
		msg := "must be a whole number of at least " + strconv.Itoa(int(*s.Minimum))
		if s.Maximum != nil {
			msg = "must be a whole number from " + strconv.Itoa(int(*s.Minimum)) + " to " + strconv.Itoa(int(*s.Maximum))
		}
		return errors.New(msg)
	}
	return nil
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// printable makes a name that a caller invented safe and short enough to show.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if isControl(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 64 {
		return string(r[:64]) + "…"
	}
	return s
}
