package readmodel

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// Token is what is kept of a bearer token. Times that are zero mean never.
type Token struct {
	ID         string
	Hash       string // of the token itself, which is not kept
	Role       string
	Enterprise events.EnterpriseID // empty: all
	Note       string
	CreatedAt  time.Time
	CreatedBy  string
	LastUsed   time.Time
	RevokedAt  time.Time
	RevokedBy  string
}

// Live reports whether the token is still good.
func (t Token) Live() bool { return t.RevokedAt.IsZero() }

// TokenQuery lists tokens; Q searches note and id. An empty Enterprise lists
// all, those that are for all enterprises among them.
type TokenQuery struct {
	ListQuery
	Enterprise events.EnterpriseID
	Revoked    bool // those that were revoked instead of the good ones
}

// Tokens keeps the tokens. They are not in the log: a token is a secret of this
// deployment, and no fact about peering. It is safe for concurrent use.
type Tokens struct{ db *DB }

// Tokens returns the table of tokens.
func (db *DB) Tokens() *Tokens { return &Tokens{db} }

// tokenRow is a row of the table.
type tokenRow struct {
	ID         string              `db:"id"`
	Hash       string              `db:"hash"`
	Role       string              `db:"role"`
	Enterprise events.EnterpriseID `db:"enterprise"`
	Note       string              `db:"note"`
	CreatedAt  int64               `db:"created_at"`
	CreatedBy  string              `db:"created_by"`
	LastUsed   int64               `db:"last_used"`
	RevokedAt  int64               `db:"revoked_at"`
	RevokedBy  string              `db:"revoked_by"`
	Sort       any                 `db:"sort_value"`
}

const tokenColumns = "id, hash, role, enterprise, note, created_at, created_by, last_used, revoked_at, revoked_by"

func (r tokenRow) sortValue() any      { return r.Sort }
func (r tokenRow) tieValues() []string { return []string{r.ID} }

func (r tokenRow) token() Token {
	return Token{
		ID: r.ID, Hash: r.Hash, Role: r.Role, Enterprise: r.Enterprise, Note: r.Note,
		CreatedAt: moment(r.CreatedAt), CreatedBy: r.CreatedBy, LastUsed: moment(r.LastUsed),
		RevokedAt: moment(r.RevokedAt), RevokedBy: r.RevokedBy,
	}
}

// Add keeps a new token. check judges it by the good ones there are; its error
// is returned, and nothing was added then. No other token is added or revoked
// in between.
func (t *Tokens) Add(ctx context.Context, token Token, check func(live []Token) error) error {
	var refusal error
	err := t.db.writing(ctx, "add token", func(tx *sqlx.Tx) error {
		live, err := t.live(ctx, tx)
		if err != nil {
			return err
		}
		if refusal = check(live); refusal != nil {
			return refusal
		}
		_, err = tx.ExecContext(ctx, tx.Rebind("INSERT INTO tokens ("+tokenColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, '')"),
			token.ID, token.Hash, token.Role, token.Enterprise, token.Note, micros(token.CreatedAt), token.CreatedBy)
		return err
	})
	return cmp.Or(refusal, err)
}

// Revoke ends a token for good. check judges it by the good ones there are; its
// error is returned, and nothing was changed then. One that was revoked before
// stays as it is. ErrNotFound: there is no such token.
func (t *Tokens) Revoke(ctx context.Context, id, by string, at time.Time, check func(token Token, live []Token) error) error {
	if !isFit(id) {
		return ErrNotFound
	}
	var refusal error
	err := t.db.writing(ctx, "revoke token", func(tx *sqlx.Tx) error {
		live, err := t.live(ctx, tx)
		if err != nil {
			return err
		}
		row, err := one[tokenRow](ctx, tx, "SELECT "+tokenColumns+" FROM tokens WHERE id = ?", id)
		if err != nil {
			return err
		}
		if refusal = check(row.token(), live); refusal != nil {
			return refusal
		}
		_, err = tx.ExecContext(ctx, tx.Rebind("UPDATE tokens SET revoked_at = ?, revoked_by = ? WHERE id = ? AND revoked_at = 0"), micros(at), by, id)
		return err
	})
	return cmp.Or(refusal, err)
}

// RevokeOf ends all good tokens that are for one enterprise and were made at until
// or before (zero: whenever), and returns their hashes. Those that are for all
// enterprises stay: an empty ent changes nothing.
// With an error the hashes are of tokens that perhaps were revoked.
func (t *Tokens) RevokeOf(ctx context.Context, ent events.EnterpriseID, by string, until, at time.Time) (hashes []string, err error) {
	if ent == "" || !isFit(string(ent)) {
		return nil, nil
	}
	last := int64(math.MaxInt64)
	if !until.IsZero() {
		last = micros(until)
	}
	err = t.db.writing(ctx, "revoke the tokens of an enterprise", func(tx *sqlx.Tx) error {
		live, err := t.live(ctx, tx)
		if err != nil {
			return err
		}
		for _, token := range live {
			if token.Enterprise == ent && micros(token.CreatedAt) <= last {
				hashes = append(hashes, token.Hash)
			}
		}
		_, err = tx.ExecContext(ctx, tx.Rebind("UPDATE tokens SET revoked_at = ?, revoked_by = ? WHERE enterprise = ? AND created_at <= ? AND revoked_at = 0"), micros(at), by, ent, last)
		return err
	})
	return hashes, err
}

// live reads the good tokens, and keeps others from changing them until tx ends.
func (t *Tokens) live(ctx context.Context, tx *sqlx.Tx) ([]Token, error) {
	if err := t.db.dialect.lockTable(ctx, tx, "tokens"); err != nil {
		return nil, err
	}
	var list []tokenRow
	err := tx.SelectContext(ctx, &list, "SELECT "+tokenColumns+" FROM tokens WHERE revoked_at = 0 ORDER BY id")
	out := make([]Token, len(list))
	for i, r := range list {
		out[i] = r.token()
	}
	return out, err
}

// ByHash returns the token with this hash, revoked or not. ErrNotFound: there is
// none.
func (t *Tokens) ByHash(ctx context.Context, hash string) (Token, error) {
	return t.oneOf(ctx, "hash = ?", hash)
}

// ByID returns the token with this id, revoked or not. ErrNotFound: there is none.
func (t *Tokens) ByID(ctx context.Context, id string) (Token, error) {
	return t.oneOf(ctx, "id = ?", id)
}

func (t *Tokens) oneOf(ctx context.Context, condition, value string) (out Token, err error) {
	if !isFit(value) {
		return Token{}, ErrNotFound
	}
	err = t.db.reading(ctx, "read token", func(tx *sqlx.Tx) error {
		row, err := one[tokenRow](ctx, tx, "SELECT "+tokenColumns+" FROM tokens WHERE "+condition, value)
		out = row.token()
		return err
	})
	if err != nil {
		return Token{}, err
	}
	return out, nil
}

// Any reports whether there is a good token.
func (t *Tokens) Any(ctx context.Context) (yes bool, err error) {
	err = t.db.reading(ctx, "look for tokens", func(tx *sqlx.Tx) error {
		return tx.GetContext(ctx, &yes, "SELECT EXISTS (SELECT 1 FROM tokens WHERE revoked_at = 0)")
	})
	return yes, err
}

// Touch notes when tokens, by their ids, were used last; earlier times than
// those that are noted change nothing.
func (t *Tokens) Touch(ctx context.Context, used map[string]time.Time) error {
	return t.db.writing(ctx, "note the use of tokens", func(tx *sqlx.Tx) error {
		for _, id := range slices.Sorted(maps.Keys(used)) { // in one order everywhere, so that two processes do not wait for each other
			at := micros(used[id])
			if _, err := tx.ExecContext(ctx, tx.Rebind("UPDATE tokens SET last_used = ? WHERE id = ? AND last_used < ?"), at, id, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// List lists tokens.
func (t *Tokens) List(ctx context.Context, q TokenQuery) (Page[Token], error) {
	bound := q
	bound.ListQuery = ListQuery{}
	// The table has the order of the database's locale; every list has that of
	// bytes, on each database the same.
	bytewise := func(column string) sortable {
		return byText(column + strings.TrimPrefix(t.db.dialect.text(), "TEXT"))
	}
	l := listing{
		list: "tokens", query: bound, page: q.ListQuery, natural: "created_at", ties: "id",
		sorts: map[string]sortable{
			"id": bytewise("id"), "role": bytewise("role"), "enterprise": bytewise("enterprise"), "note": bytewise("note"),
			"created_at": byInteger("created_at"), "created_by": bytewise("created_by"), "last_used": byInteger("last_used"),
			"revoked_at": byInteger("revoked_at"), "revoked_by": bytewise("revoked_by"),
		},
	}
	if q.Revoked {
		l.and("revoked_at <> 0")
	} else {
		l.and("revoked_at = 0")
	}
	l.filter("enterprise", "enterprise", string(q.Enterprise))
	l.search(t.db.dialect, q.Q, "lower(note)", "id")
	if err := l.resolve(); err != nil {
		return Page[Token]{}, err
	}
	var page Page[Token]
	err := t.db.reading(ctx, "list tokens", func(tx *sqlx.Tx) error {
		list, next, err := fetch[tokenRow](ctx, tx, &l, tokenColumns, "tokens")
		page = Page[Token]{Items: make([]Token, len(list)), NextCursor: next}
		for i, r := range list {
			page.Items[i] = r.token()
		}
		return err
	})
	return page, err
}
