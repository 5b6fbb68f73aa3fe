package access

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// Keeper makes, checks and revokes tokens. Any number of processes may run one
// on the same database. It is safe for concurrent use.
type Keeper struct {
	tokens *readmodel.Tokens
	log    *slog.Logger
	now    func() time.Time
	known  *known
	asks   singleflight.Group
	used   *used
	mute   atomic.Bool // it is logged that uses cannot be written down
}

// Options of a Keeper. The zero value works.
type Options struct {
	Logger *slog.Logger     // nil: nothing is logged
	Now    func() time.Time // the clock; nil: time.Now
}

// NewKeeper returns a Keeper. Run should run beside it: it notes when tokens
// were used.
func NewKeeper(tokens *readmodel.Tokens, o Options) *Keeper {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Keeper{tokens: tokens, log: o.Logger, now: o.Now, known: newKnown(), used: newUsed()}
}

// Create makes a token for what g says, and returns the token itself, which
// nobody can show again. by is who wants it: what it may not do itself, it
// cannot give away.
//
// The error is a *domain.Error (Forbidden, Invalid: nothing was made), or wraps
// readmodel.ErrUnavailable: perhaps made, and worthless, because nobody has it.
func (k *Keeper) Create(ctx context.Context, by Principal, g Grant) (readmodel.Token, string, error) {
	if err := g.check(); err != nil {
		return readmodel.Token{}, "", err
	}
	if !by.May(Administer) || !by.Sees(g.Enterprise) {
		return readmodel.Token{}, "", &domain.Error{Code: domain.Forbidden, Field: "enterprise", Msg: "a token can be made only for what the maker's own token is for"}
	}
	secret := newSecret()
	token := k.token(g, by.Actor, secret)
	if err := k.tokens.Add(ctx, token, func(live []readmodel.Token) error { return mayBeFirst(g, live) }); err != nil {
		return readmodel.Token{}, "", err
	}
	k.known.closed()
	return token, secret, nil
}

func (k *Keeper) token(g Grant, by, secret string) readmodel.Token {
	return readmodel.Token{
		ID: uuid.Must(uuid.NewV7()).String(), Hash: hashOf(secret), Role: string(g.Role), Enterprise: g.Enterprise,
		Note: g.Note, CreatedAt: k.moment(), CreatedBy: by,
	}
}

// moment is the time, as exact as it can be kept.
func (k *Keeper) moment() time.Time { return k.now().UTC().Truncate(time.Microsecond) }

// mayBeFirst refuses a token that would end the time in which callers on
// loopback may do everything, and leave nobody who may make the next.
func mayBeFirst(g Grant, live []readmodel.Token) error {
	if len(live) > 0 || g.Role == Admin && g.Enterprise == "" {
		return nil
	}
	return &domain.Error{Code: domain.Invalid, Field: "role", Msg: "the first token must be one of an " + string(Admin) +
		" for all enterprises: from then on callers on this machine need a token too, and nobody else could make the next one"}
}

// EnsureFirst gives a deployment that has no token the admin token secret, and
// changes nothing when it has one. made reports which. note says where the token
// comes from.
func (k *Keeper) EnsureFirst(ctx context.Context, secret, note string) (made bool, err error) {
	there := errors.New("there is a token")
	g := Grant{Role: Admin, Note: note}
	err = k.tokens.Add(ctx, k.token(g, note, secret), func(live []readmodel.Token) error {
		if len(live) > 0 {
			return there
		}
		return nil
	})
	if errors.Is(err, there) {
		return false, nil
	}
	return err == nil, err
}

// Any reports whether there is a token that is good.
func (k *Keeper) Any(ctx context.Context) (bool, error) { return k.tokens.Any(ctx) }

// Revoke ends a token for good: here at once, in other processes within
// freshFor. The last admin token for all enterprises stays, so that a deployment
// that was closed once is never open again: make another one first.
//
// The error is a *domain.Error or wraps readmodel.ErrUnavailable: perhaps done.
func (k *Keeper) Revoke(ctx context.Context, by Principal, id string) (readmodel.Token, error) {
	var hash string
	err := k.tokens.Revoke(ctx, id, by.Actor, k.moment(), func(t readmodel.Token, live []readmodel.Token) error {
		hash = t.Hash
		if !by.May(Administer) || !sees(by, t) {
			return errNoToken()
		}
		if t.Live() && isRoot(t) && countRoots(live) == 1 {
			return &domain.Error{Code: domain.Invalid, Field: "token", Msg: "it is the last " + string(Admin) + " token for all enterprises: make another one first"}
		}
		return nil
	})
	if errors.Is(err, readmodel.ErrNotFound) {
		err = errNoToken()
	}
	var refused *domain.Error
	if !errors.As(err, &refused) {
		k.forget(hash) // with an error too: perhaps it is revoked
	}
	if err != nil {
		return readmodel.Token{}, err
	}
	return k.tokens.ByID(ctx, id)
}

// RevokeAll ends all tokens that are for one enterprise alone and were issued at
// until or before (zero: whenever), and reports how many: when the enterprise was
// removed, for they would be good for the next one of that id, whose own tokens
// stay. It holds as Revoke does, by's own token included; those that are
// for all enterprises stay, and an empty ent changes nothing. Whether by may
// remove the enterprise is not asked here.
//
// The error wraps readmodel.ErrUnavailable: perhaps done; do it again.
func (k *Keeper) RevokeAll(ctx context.Context, by Principal, ent events.EnterpriseID, until time.Time) (n int, err error) {
	hashes, err := k.tokens.RevokeOf(ctx, ent, by.Actor, until, k.moment())
	k.forget(hashes...)
	if err != nil {
		return 0, err
	}
	return len(hashes), nil
}

// Token returns a token that by may see. The error is a *domain.Error NotFound,
// or wraps readmodel.ErrUnavailable.
func (k *Keeper) Token(ctx context.Context, by Principal, id string) (readmodel.Token, error) {
	k.flush(ctx)
	t, err := k.tokens.ByID(ctx, id)
	if errors.Is(err, readmodel.ErrNotFound) || err == nil && !sees(by, t) {
		return readmodel.Token{}, errNoToken()
	}
	return t, err
}

// List lists the tokens that by may see.
func (k *Keeper) List(ctx context.Context, by Principal, q readmodel.TokenQuery) (readmodel.Page[readmodel.Token], error) {
	k.flush(ctx)
	if !by.SeesAll() {
		q.Enterprise = by.Enterprise
	}
	return k.tokens.List(ctx, q)
}

// errNoToken does not repeat what was asked for: it may be a token in the wrong
// place.
func errNoToken() error {
	return &domain.Error{Code: domain.NotFound, Msg: "there is no such token; one is named by its id"}
}

// sees reports whether a token exists for a principal: one for all enterprises
// does not, for one that has a single enterprise.
func sees(p Principal, t readmodel.Token) bool { return p.Sees(t.Enterprise) }

func isRoot(t readmodel.Token) bool { return Role(t.Role) == Admin && t.Enterprise == "" }

func countRoots(live []readmodel.Token) (n int) {
	for _, t := range live {
		if isRoot(t) {
			n++
		}
	}
	return n
}
