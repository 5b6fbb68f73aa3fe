package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// Tokens says who callers are, and keeps their tokens.
type Tokens interface {
	// Authenticate returns the holder of a token; access.ErrUnknown: nobody.
	Authenticate(ctx context.Context, secret string) (access.Principal, error)
	// Knows reports whether a token was good a moment ago, without asking for it.
	Knows(secret string) bool
	// Open reports whether there is no token at all.
	Open(ctx context.Context) (bool, error)

	Create(ctx context.Context, by access.Principal, g access.Grant) (readmodel.Token, string, error)
	Revoke(ctx context.Context, by access.Principal, id string) (readmodel.Token, error)
	// RevokeAll ends the tokens that are for one enterprise and were issued at until
	// or before (zero: whenever), and counts them.
	RevokeAll(ctx context.Context, by access.Principal, ent events.EnterpriseID, until time.Time) (int, error)
	Token(ctx context.Context, by access.Principal, id string) (readmodel.Token, error)
	List(ctx context.Context, by access.Principal, q readmodel.TokenQuery) (readmodel.Page[readmodel.Token], error)
}

// caller is what becomes known of who sent a request.
type caller struct{ principal access.Principal }

type callerKey struct{}

// withCaller returns the context of a request with room for its caller.
func withCaller(ctx context.Context) context.Context {
	return context.WithValue(ctx, callerKey{}, &caller{nobody()})
}

// callerOf returns the caller of a request.
func callerOf(r *http.Request) *caller {
	if c, ok := r.Context().Value(callerKey{}).(*caller); ok {
		return c
	}
	return &caller{nobody()}
}

// principalOf returns who the caller is, nobody as long as that is not known.
func principalOf(r *http.Request) access.Principal { return callerOf(r).principal }

// nobody is the principal of callers without a token on what is public: it has
// no right, and sees no enterprise.
func nobody() access.Principal { return access.Principal{Enterprise: "-"} }

// identify finds out who the caller is. The error is what to answer instead.
func (a *api) identify(r *http.Request) (access.Principal, error) {
	if a.opts.Backends == nil {
		return access.Loopback(), a.onLoopback(r)
	}
	tokens := a.opts.Backends().Tokens
	if tokens == nil {
		return a.undecided(r, starting("the database, where it stands who may do what"))
	}
	secret, given, err := bearer(r)
	switch {
	case err != nil && !a.limits.address(r.RemoteAddr):
		return nobody(), tooMany("this address")
	case err != nil:
		return nobody(), err
	}
	if given {
		return a.holder(r, tokens, secret)
	}
	open, err := tokens.Open(r.Context())
	switch {
	case err != nil:
		return a.undecided(r, err)
	case open:
		return access.Loopback(), a.onLoopback(r)
	case !a.limits.address(r.RemoteAddr):
		return nobody(), tooMany("this address")
	case isPublic(r.URL.Path):
		return nobody(), nil
	}
	return nobody(), unauthenticated("This needs a token: Authorization: Bearer <token>. An administrator makes one with: peering token create.")
}

// undecided is the caller while it is not known whether there are tokens: what
// tells why is for callers on this machine, and nothing else for anybody.
func (a *api) undecided(r *http.Request, why error) (access.Principal, error) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		return nobody(), why
	}
	return access.Loopback(), a.onLoopback(r)
}

// holder is who holds the token. A caller who guesses is slowed down before the
// database is asked; one who has a token does not share that limit.
func (a *api) holder(r *http.Request, tokens Tokens, secret string) (access.Principal, error) {
	if a.limits.exhausted(r.RemoteAddr) && !tokens.Knows(secret) {
		return nobody(), tooMany("this address")
	}
	who, err := tokens.Authenticate(r.Context(), secret)
	switch {
	case errors.Is(err, access.ErrUnknown):
		a.limits.address(r.RemoteAddr)
		return nobody(), unauthenticated("The token is unknown, or it was revoked.")
	case err != nil:
		return nobody(), err
	case !a.limits.token(who.Token):
		return nobody(), tooMany("this token")
	}
	return who, nil
}

// still is an error when the caller would not be let in any more: its token was
// revoked, or it had none and there are some now. Answers that take long ask.
func (c *call) still(ctx context.Context) error {
	secret, given, err := bearer(c.r)
	if err != nil {
		return err
	}
	if given {
		_, err = c.Tokens.Authenticate(ctx, secret)
		return err
	}
	open, err := c.Tokens.Open(ctx)
	if err == nil && !open {
		err = access.ErrUnknown
	}
	return err
}

// bearer returns the token of the request (RFC 6750).
func bearer(r *http.Request) (secret string, given bool, err error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", false, nil
	}
	scheme, secret, ok := strings.Cut(values[0], " ")
	if len(values) > 1 || !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false, unauthenticated("The header must be given once, as Authorization: Bearer <token>.")
	}
	return strings.TrimSpace(secret), true, nil
}

// onLoopback refuses a caller who is not on this machine, or was led here by a
// name that somebody else controls.
func (a *api) onLoopback(r *http.Request) error {
	switch {
	case !fromLoopback(r.RemoteAddr):
		return problem(domain.Forbidden, "", "Only callers on this machine are served.")
	case !a.hostAllowed(r.Host):
		return problem(domain.Forbidden, "Host", "The Host header must be a name of this machine's loopback, such as localhost.")
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return problem(domain.Forbidden, name, "The request was forwarded from elsewhere: while there is no token, only callers on this machine are served.")
		}
	}
	return nil
}

// isPublic tells the paths that anybody may read once the deployment has
// tokens: they show what the product is, and of what is in it what was published.
func isPublic(path string) bool {
	return path == "/openapi.json" || path == asyncAPIPath || path == wellKnownPath || path == "/docs" || strings.HasPrefix(path, "/docs/")
}

func unauthenticated(detail string) *Problem {
	p := problem(codeUnauthenticated, "Authorization", "%s", detail)
	p.header.Set("WWW-Authenticate", "Bearer")
	return p
}

func tooMany(whose string) *Problem {
	p := problem(codeTooMany, "", "There were too many requests from %s. Slow down.", whose)
	p.header.Set("Retry-After", "1")
	return p
}

func starting(what string) *Problem {
	return problem(codeStarting, "", "The program is still connecting to %s. Try again.", what)
}
