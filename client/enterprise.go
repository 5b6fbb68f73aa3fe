package client

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// Enterprise is how an enterprise reads.
type Enterprise struct {
	ID          EnterpriseID `json:"id"`
	Description string       `json:"description"`
	Domain      string       `json:"domain"`
	Server      Server       `json:"server"`
	Peers       PeerCounts   `json:"peers"`
	Warnings    []Warning    `json:"warnings"`
	Revision    Seq          `json:"revision"`
	UpdatedAt   time.Time    `json:"updated_at"`
}

// Server is the local server of an enterprise.
type Server struct {
	Hostname   string `json:"hostname,omitempty"`
	Address    string `json:"address,omitempty"`
	Version    string `json:"version,omitempty"`
	Deployment string `json:"deployment,omitempty"` // "standard" or "micloud-flex-gcp"
}

// PeerCounts counts the peers of an enterprise.
type PeerCounts struct {
	Total    int            `json:"total"`
	ByStatus map[string]int `json:"by_status"`
}

// NewEnterprise is what an enterprise is registered with.
type NewEnterprise struct {
	ID          EnterpriseID `json:"id"`
	Description string       `json:"description"`
	Domain      string       `json:"domain"`
	Server      Server       `json:"server"`
}

// EnterprisePatch changes the fields that are not nil: all of them, or none.
type EnterprisePatch struct {
	Description *string      `json:"description,omitempty"`
	Domain      *string      `json:"domain,omitempty"`
	Server      *ServerPatch `json:"server,omitempty"`
}

// ServerPatch is the part of an EnterprisePatch about the local server.
type ServerPatch struct {
	Hostname   *string           `json:"hostname,omitempty"`
	Address    *Nullable[string] `json:"address,omitempty"`
	Version    *Nullable[string] `json:"version,omitempty"`
	Deployment *string           `json:"deployment,omitempty"`
}

const enterprisesPath = "enterprises"

// Enterprises lists enterprises, one page.
func (c *Client) Enterprises(ctx context.Context, q ListQuery, opts ...ReadOption) (Page[Enterprise], error) {
	return fetch[Enterprise](ctx, c, newRequest(http.MethodGet, enterprisesPath), q.values(), opts)
}

// AllEnterprises goes through all enterprises from q.Cursor on. It ends with the
// first error.
func (c *Client) AllEnterprises(ctx context.Context, q ListQuery, opts ...ReadOption) iter.Seq2[Enterprise, error] {
	return items(Pages(q.Cursor, func(cursor string) (Page[Enterprise], error) {
		q.Cursor = cursor
		return c.Enterprises(ctx, q, opts...)
	}))
}

// Enterprise reads an enterprise. CodeNotFound: there never was one; CodeGone:
// it was removed, and the error says by whom, when and why.
func (c *Client) Enterprise(ctx context.Context, ent EnterpriseID, opts ...ReadOption) (Enterprise, error) {
	var e Enterprise
	err := c.do(ctx, newRequest(http.MethodGet, enterprisesPath, string(ent)).asRead(opts), &e)
	return e, err
}

// RegisterEnterprise opens an enterprise. CodeExists: there is one of this id.
func (c *Client) RegisterEnterprise(ctx context.Context, e NewEnterprise, opts ...WriteOption) (Receipt, error) {
	return c.write(ctx, newRequest(http.MethodPost, enterprisesPath).send(e), opts)
}

// EditEnterprise changes an enterprise.
func (c *Client) EditEnterprise(ctx context.Context, ent EnterpriseID, p EnterprisePatch, opts ...WriteOption) (Receipt, error) {
	return c.write(ctx, newRequest(http.MethodPatch, enterprisesPath, string(ent)).send(p), opts)
}

// RemoveEnterprise closes an enterprise. CodeInvalid: it has peers.
func (c *Client) RemoveEnterprise(ctx context.Context, ent EnterpriseID, opts ...WriteOption) (Receipt, error) {
	return c.write(ctx, newRequest(http.MethodDelete, enterprisesPath, string(ent)), opts)
}

// write sends a write with its options.
func (c *Client) write(ctx context.Context, r *request, opts []WriteOption) (Receipt, error) {
	var receipt Receipt
	err := c.do(ctx, r.asWrite(opts), &receipt)
	return receipt, err
}
