package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// The origins of a trusted server.
const (
	OriginManual = "manual"
	OriginPeer   = "peer"
)

// TrustedServer is how an entry of the trusted-server list reads: a host that
// may connect without authentication.
type TrustedServer struct {
	ID          TrustedServerID `json:"id"`
	Enterprise  EnterpriseID    `json:"enterprise"`
	Description string          `json:"description"`
	Host        string          `json:"host"`
	Type        string          `json:"type"` // "presence", "im" or "peer"
	Origin      string          `json:"origin"`
	PeerID      PeerID          `json:"peer_id"` // "": a manual entry
	Since       Since           `json:"since"`
	Revision    Seq             `json:"revision"`
	UpdatedAt   time.Time       `json:"updated_at"`
}

// Since says which event made something so.
type Since struct {
	Sequence Seq       `json:"sequence"`
	Time     time.Time `json:"time"`
	Actor    string    `json:"actor"`
	Reason   string    `json:"reason"`
}

// TrustedServerQuery asks for a list of trusted servers.
type TrustedServerQuery struct {
	ListQuery
	Type        string
	Origin      string
	Host        string // exactly this one
	Description string // exactly this one, in any case
}

func (q TrustedServerQuery) values() url.Values {
	v := q.ListQuery.values()
	set(v, "type", q.Type)
	set(v, "origin", q.Origin)
	set(v, "host", q.Host)
	set(v, "description", q.Description)
	return v
}

// NewTrustedServer is what an entry is added with by hand.
type NewTrustedServer struct {
	Description string `json:"description"`
	Host        string `json:"host"`
	Type        string `json:"type"`
}

// TrustedServerPatch changes the fields that are not nil: all of them, or none.
// On a peer's entry only the description can change here.
type TrustedServerPatch struct {
	Description *string `json:"description,omitempty"`
	Host        *string `json:"host,omitempty"`
	Type        *string `json:"type,omitempty"`
}

const trustedServersPath = "trusted-servers"

func trustedServerRequest(method string, ent EnterpriseID, below ...string) *request {
	return newRequest(method, append([]string{enterprisesPath, string(ent), trustedServersPath}, below...)...)
}

// TrustedServers lists the servers that an enterprise trusts, one page.
func (c *Client) TrustedServers(ctx context.Context, ent EnterpriseID, q TrustedServerQuery, opts ...ReadOption) (Page[TrustedServer], error) {
	return fetch[TrustedServer](ctx, c, trustedServerRequest(http.MethodGet, ent), q.values(), opts)
}

// TrustedServersOfAll lists the servers that any enterprise trusts, one page.
func (c *Client) TrustedServersOfAll(ctx context.Context, q TrustedServerQuery, opts ...ReadOption) (Page[TrustedServer], error) {
	return fetch[TrustedServer](ctx, c, newRequest(http.MethodGet, trustedServersPath), q.values(), opts)
}

// AllTrustedServers goes through all that an enterprise trusts, from q.Cursor
// on; with an empty ent, through what any enterprise trusts. It ends with the
// first error.
func (c *Client) AllTrustedServers(ctx context.Context, ent EnterpriseID, q TrustedServerQuery, opts ...ReadOption) iter.Seq2[TrustedServer, error] {
	return items(Pages(q.Cursor, func(cursor string) (Page[TrustedServer], error) {
		q.Cursor = cursor
		if ent == "" {
			return c.TrustedServersOfAll(ctx, q, opts...)
		}
		return c.TrustedServers(ctx, ent, q, opts...)
	}))
}

// TrustedServer reads an entry. CodeNotFound: there never was one, or its peer
// is disabled; CodeGone: it was removed.
func (c *Client) TrustedServer(ctx context.Context, ent EnterpriseID, id TrustedServerID, opts ...ReadOption) (TrustedServer, error) {
	var t TrustedServer
	err := c.do(ctx, trustedServerRequest(http.MethodGet, ent, string(id)).asRead(opts), &t)
	return t, err
}

// AddTrustedServer trusts a host by hand.
func (c *Client) AddTrustedServer(ctx context.Context, ent EnterpriseID, t NewTrustedServer, opts ...WriteOption) (Receipt, error) {
	return c.write(ctx, trustedServerRequest(http.MethodPost, ent).send(t), opts)
}

// EditTrustedServer changes an entry. CodeFollowsPeer: its host follows a peer,
// which the error names.
func (c *Client) EditTrustedServer(ctx context.Context, ent EnterpriseID, id TrustedServerID, p TrustedServerPatch, opts ...WriteOption) (Receipt, error) {
	return c.write(ctx, trustedServerRequest(http.MethodPatch, ent, string(id)).send(p), opts)
}

// RemoveTrustedServer removes a manual entry. CodeFollowsPeer: it goes with its
// peer alone.
func (c *Client) RemoveTrustedServer(ctx context.Context, ent EnterpriseID, id TrustedServerID, opts ...WriteOption) (Receipt, error) {
	return c.write(ctx, trustedServerRequest(http.MethodDelete, ent, string(id)), opts)
}
