package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// The roles of tokens.
const (
	RoleViewer   = "viewer"   // reads
	RoleOperator = "operator" // reads, and changes enterprises and peers
	RoleSecurity = "security" // reads, and keeps the manual trusted servers, not peers
	RoleAuditor  = "auditor"  // reads, also the history
	RoleAdmin    = "admin"    // may do everything
)

// Token is how a token reads: all but the token itself.
type Token struct {
	ID         string       `json:"id"`
	Role       string       `json:"role"`
	Enterprise EnterpriseID `json:"enterprise"` // "": all
	Note       string       `json:"note"`
	CreatedAt  time.Time    `json:"created_at"`
	CreatedBy  string       `json:"created_by"`
	LastUsed   time.Time    `json:"last_used"`  // zero: never; true to some seconds
	RevokedAt  time.Time    `json:"revoked_at"` // zero: it is good
	RevokedBy  string       `json:"revoked_by"`
}

// TokenQuery asks for a list of tokens.
type TokenQuery struct {
	ListQuery
	Enterprise EnterpriseID // only those for this one alone
	Revoked    bool         // those that were revoked instead of the good ones
}

func (q TokenQuery) values() url.Values {
	v := q.ListQuery.values()
	set(v, "enterprise", string(q.Enterprise))
	if q.Revoked {
		v.Set("revoked", "true")
	}
	return v
}

// NewToken is what a token is made with.
type NewToken struct {
	Role       string       `json:"role"`
	Enterprise EnterpriseID `json:"enterprise,omitempty"` // "": all
	Note       string       `json:"note,omitempty"`
}

// CreatedToken is a token that was just made, the only time that it is shown.
type CreatedToken struct {
	ID    string `json:"id"`
	Token string `json:"token"`
}

const tokensPath = "tokens"

// CreateToken makes a token. Nothing names the attempt, so one that may have
// been carried out is not repeated: after CodeNoAnswer or CodeUnavailable there
// may be a token that nobody has. List them, and revoke it.
func (c *Client) CreateToken(ctx context.Context, t NewToken, opts ...CallOption) (CreatedToken, error) {
	r := newRequest(http.MethodPost, tokensPath).send(t)
	r.once = true
	var made CreatedToken
	err := c.do(ctx, r.asCall(opts), &made)
	return made, err
}

// Tokens lists tokens, one page.
func (c *Client) Tokens(ctx context.Context, q TokenQuery, opts ...ReadOption) (Page[Token], error) {
	return fetch[Token](ctx, c, newRequest(http.MethodGet, tokensPath), q.values(), opts)
}

// AllTokens goes through all tokens from q.Cursor on. It ends with the first
// error.
func (c *Client) AllTokens(ctx context.Context, q TokenQuery, opts ...ReadOption) iter.Seq2[Token, error] {
	return items(Pages(q.Cursor, func(cursor string) (Page[Token], error) {
		q.Cursor = cursor
		return c.Tokens(ctx, q, opts...)
	}))
}

// Token reads a token by its id. CodeNotFound: there is none.
func (c *Client) Token(ctx context.Context, id string, opts ...ReadOption) (Token, error) {
	var t Token
	err := c.do(ctx, newRequest(http.MethodGet, tokensPath, id).asRead(opts), &t)
	return t, err
}

// RevokeToken ends a token for good and returns how it reads then; one that was
// revoked before stays as it is. CodeInvalid: it is the last admin token for all
// enterprises.
func (c *Client) RevokeToken(ctx context.Context, id string, opts ...CallOption) (Token, error) {
	var t Token
	err := c.do(ctx, newRequest(http.MethodDelete, tokensPath, id).asCall(opts), &t)
	return t, err
}
