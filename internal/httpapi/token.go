package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const (
	tokensPath = "/api/v1/tokens"
	tokenPath  = tokensPath + "/{token}"
	tokenTag   = "tokens"
)

// Token is how a token reads: all but the token itself.
type Token struct {
	ID         string      `json:"id" example:"0198c5c8-7d1e-7a20-b3c4-5d6e7f8a9b0c"`
	Role       access.Role `json:"role" enum:"viewer,operator,security,auditor,admin"`
	Enterprise *string     `json:"enterprise" doc:"The only enterprise it is for; null: all." example:"acme"`
	Note       string      `json:"note" example:"provisioning"`
	CreatedAt  time.Time   `json:"created_at"`
	CreatedBy  string      `json:"created_by"`
	LastUsed   *time.Time  `json:"last_used" doc:"To some seconds; null: never."`
	RevokedAt  *time.Time  `json:"revoked_at" doc:"Null: it is good."`
	RevokedBy  *string     `json:"revoked_by"`
}

// NewToken is the answer to the making of a token.
type NewToken struct {
	ID    string `json:"id" example:"0198c5c8-7d1e-7a20-b3c4-5d6e7f8a9b0c"`
	Token string `json:"token" doc:"The token itself. It is shown this once, and kept nowhere."`
}

// Tokens are no facts about peering, so a list of them has no sequence; this one
// is that of no event, for the form that all lists have.
const noSequence events.Seq = 0

func (a *api) tokenRoutes() {
	needs := []need{}
	id := pathParam("token", "Id of the token, not the token itself.", "0198c5c8-7d1e-7a20-b3c4-5d6e7f8a9b0c")
	register(a, operation{
		id: "list-tokens", tag: tokenTag, method: http.MethodGet, path: tokensPath, right: access.Administer, needs: needs,
		summary: "List tokens", about: "Those of one enterprise see the tokens of that alone.",
		params: plainListParams("note or id",
			textParam("enterprise", "Only tokens that are for this enterprise alone."),
			boolParam("revoked", "Those that were revoked instead of the good ones.")),
	}, a.listTokens)
	register(a, operation{
		id: "create-token", tag: tokenTag, method: http.MethodPost, path: tokensPath, right: access.Administer, needs: needs, status: http.StatusCreated,
		summary: "Make a token",
		about:   "The first one must be of the role admin and for all enterprises: from then on callers on this machine need a token too.",
		body: &bodyDoc{schema: reflect.TypeFor[tokenInput](), examples: map[string]any{
			"For provisioning": map[string]any{"role": "operator", "enterprise": "acme", "note": "provisioning"},
			"The first":        map[string]any{"role": "admin", "note": "head of operations"},
		}},
	}, a.createToken)
	register(a, operation{
		id: "show-token", tag: tokenTag, method: http.MethodGet, path: tokenPath, right: access.Administer, needs: needs,
		summary: "Show a token", params: []*huma.Param{id}, codes: []domain.Code{domain.NotFound},
	}, a.showToken)
	register(a, operation{
		id: "revoke-token", tag: tokenTag, method: http.MethodDelete, path: tokenPath, right: access.Administer, needs: needs,
		summary: "Revoke a token",
		about:   "For good, in every process within a second. The last admin token for all enterprises stays: make another one first.",
		params:  []*huma.Param{id}, codes: []domain.Code{domain.NotFound},
	}, a.revokeToken)
}

// tokenInput is the body of a new token.
type tokenInput struct {
	_          struct{} `additionalProperties:"false"`
	Role       string   `json:"role" enum:"viewer,operator,security,auditor,admin" doc:"What it may do."`
	Enterprise *string  `json:"enterprise,omitempty" nullable:"true" doc:"The only enterprise it is for; null or left out: all."`
	Note       string   `json:"note,omitempty" maxLength:"100" doc:"For people; the history shows it beside the id."`
}

// tokenOrder is what tokenInput says, for the decoder.
type tokenOrder struct {
	Role       string               `json:"role"`
	Enterprise domain.Field[string] `json:"enterprise"`
	Note       string               `json:"note"`
}

func (a *api) listTokens(ctx context.Context, c *call) (*reply[List[Token]], error) {
	q := readmodel.TokenQuery{ListQuery: c.listQuery(), Revoked: c.query.Get("revoked") == "true"}
	var err error
	if q.Enterprise, err = c.enterpriseFilter(); err != nil {
		return nil, err
	}
	if q.Enterprise != "" && !c.principal.Sees(q.Enterprise) {
		return listOf(readmodel.Page[readmodel.Token]{Sequence: noSequence}, tokenOf), nil
	}
	page, err := within(ctx, readTimeout, func(ctx context.Context) (readmodel.Page[readmodel.Token], error) {
		return c.Tokens.List(ctx, c.principal, q)
	})
	if err != nil {
		return nil, err
	}
	return listOf(page, tokenOf), nil
}

func (a *api) createToken(ctx context.Context, c *call) (*reply[NewToken], error) {
	body, err := c.jsonBody()
	if err != nil {
		return nil, err
	}
	order, err := command.DecodeDocument[tokenOrder]("token", body)
	if err != nil {
		return nil, err
	}
	g := access.Grant{Role: access.Role(order.Role), Note: order.Note}
	if order.Enterprise.Set && !order.Enterprise.Null { // an empty one is a variable of a script that was not set
		ent, err := events.ParseEnterpriseID(order.Enterprise.Value)
		if err != nil {
			return nil, problem(domain.Invalid, "enterprise", "%s", err.Error())
		}
		g.Enterprise = ent
	}
	made := NewToken{}
	_, err = within(ctx, writeTimeout, func(ctx context.Context) (string, error) {
		t, secret, err := c.Tokens.Create(ctx, c.principal, g)
		made = NewToken{ID: t.ID, Token: secret}
		return secret, err
	})
	if err != nil {
		return nil, err
	}
	c.w.Header().Set("Cache-Control", "no-store")
	return &reply[NewToken]{Location: tokensPath + "/" + made.ID, Body: made}, nil
}

func (a *api) showToken(ctx context.Context, c *call) (*reply[Token], error) {
	t, err := within(ctx, readTimeout, func(ctx context.Context) (readmodel.Token, error) {
		return c.Tokens.Token(ctx, c.principal, c.r.PathValue("token"))
	})
	return tokenReply(t, err)
}

func (a *api) revokeToken(ctx context.Context, c *call) (*reply[Token], error) {
	t, err := within(ctx, writeTimeout, func(ctx context.Context) (readmodel.Token, error) {
		return c.Tokens.Revoke(ctx, c.principal, c.r.PathValue("token"))
	})
	return tokenReply(t, err)
}

func tokenReply(t readmodel.Token, err error) (*reply[Token], error) {
	if err != nil {
		return nil, err
	}
	return &reply[Token]{Body: tokenOf(t)}, nil
}

func tokenOf(t readmodel.Token) Token {
	return Token{
		ID: t.ID, Role: access.Role(t.Role), Enterprise: orNull(string(t.Enterprise)), Note: t.Note,
		CreatedAt: t.CreatedAt, CreatedBy: t.CreatedBy, LastUsed: timeOrNull(t.LastUsed),
		RevokedAt: timeOrNull(t.RevokedAt), RevokedBy: orNull(t.RevokedBy),
	}
}
