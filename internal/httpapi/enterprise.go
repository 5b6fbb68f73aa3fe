package httpapi

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const (
	enterprisesPath = "/api/v1/enterprises"
	enterprisePath  = enterprisesPath + "/{enterprise}"
	enterpriseTag   = "enterprises"
)

// Enterprise is how an enterprise reads.
type Enterprise struct {
	ID          events.EnterpriseID `json:"id" example:"acme"`
	Description string              `json:"description" example:"Acme headquarters"`
	Domain      string              `json:"domain" example:"acme.example"`
	Server      Server              `json:"server" doc:"The local server that hosts the enterprise."`
	Peers       PeerCounts          `json:"peers"`
	Warnings    []domain.Warning    `json:"warnings" nullable:"false" doc:"What somebody should look at."`
	Revision    events.Seq          `json:"revision" doc:"Sequence of its last configuration event."`
	UpdatedAt   time.Time           `json:"updated_at"`
}

// Server is how the local server of an enterprise reads.
type Server struct {
	Hostname   string            `json:"hostname" example:"uc1.acme.example"`
	Address    *string           `json:"address" doc:"Null: not given." example:"192.0.2.10"`
	Version    *string           `json:"version" doc:"Null: not known." example:"9.8"`
	Deployment events.Deployment `json:"deployment" enum:"standard,micloud-flex-gcp"`
}

// PeerCounts counts the peers of an enterprise.
type PeerCounts struct {
	Total    int                   `json:"total"`
	ByStatus map[events.Status]int `json:"by_status" doc:"Peers of each status there is one of."`
}

func (a *api) enterpriseRoutes() {
	read := []domain.Code{domain.NotFound, domain.Gone}
	write := []domain.Code{domain.NotFound, domain.Gone, domain.Exists, domain.Stale, domain.Unsupported}
	register(a, operation{
		id: "list-enterprises", tag: enterpriseTag, method: http.MethodGet, path: enterprisesPath,
		summary: "List enterprises",
		params:  listParams(nil, "id, description, domain or server"),
	}, a.listEnterprises)
	register(a, operation{
		id: "register-enterprise", tag: enterpriseTag, right: access.ChangePeers, method: http.MethodPost, path: enterprisesPath, status: http.StatusCreated,
		summary: "Register an enterprise", params: addParams(), body: registerEnterpriseDoc(),
		codes: []domain.Code{domain.Exists},
	}, a.registerEnterprise)
	register(a, operation{
		id: "show-enterprise", tag: enterpriseTag, method: http.MethodGet, path: enterprisePath,
		summary: "Show an enterprise", params: readParams(enterpriseParam()), codes: read,
	}, a.showEnterprise)
	register(a, operation{
		id: "edit-enterprise", tag: enterpriseTag, right: access.ChangePeers, method: http.MethodPatch, path: enterprisePath,
		summary: "Change an enterprise", about: "A merge patch (RFC 7396): all the given fields change, or none.",
		params: changeParams(enterpriseParam()), body: editEnterpriseDoc(), codes: write,
	}, a.editEnterprise)
	register(a, operation{
		id: "remove-enterprise", tag: enterpriseTag, right: access.ChangePeers, method: http.MethodDelete, path: enterprisePath,
		summary: "Remove an enterprise", about: "Refused while it has peers. Its history stays; tokens that are for it alone are revoked.",
		params: changeParams(enterpriseParam()), codes: write,
	}, a.removeEnterprise)
}

func (a *api) listEnterprises(ctx context.Context, c *call) (*reply[List[Enterprise]], error) {
	q := readmodel.EnterpriseQuery{ListQuery: c.listQuery(), Only: c.principal.Enterprise}
	page, err := read(ctx, c, "", func(ctx context.Context) (readmodel.Page[readmodel.Enterprise], error) {
		return c.Directory.Enterprises(ctx, q)
	})
	if err != nil {
		return nil, err
	}
	return listOf(page, c.enterpriseOf), nil
}

func (a *api) registerEnterprise(ctx context.Context, c *call) (*reply[Receipt], error) {
	if err := c.noIfMatch(); err != nil {
		return nil, err
	}
	cmd, err := c.decode(domain.RegisterEnterprise{}.Name())
	if err != nil {
		return nil, err
	}
	order, ok := cmd.(domain.RegisterEnterprise)
	if !ok {
		return nil, errors.New("the decoder returned another command")
	}
	ent, err := events.ParseEnterpriseID(order.ID)
	var bad *events.IDError
	if errors.As(err, &bad) {
		return nil, problem(domain.Invalid, "id", "%s", bad.Rule)
	}
	if err != nil {
		return nil, err
	}
	if !c.principal.Sees(ent) { // whether it exists or not
		return nil, problem(domain.Forbidden, "id", "The token is for another enterprise.")
	}
	out, err := c.give(ctx, ent, cmd)
	if err != nil {
		return nil, err
	}
	out.Location = enterprisesPath + "/" + string(ent)
	return out, nil
}

func (a *api) showEnterprise(ctx context.Context, c *call) (*reply[Enterprise], error) {
	ent, err := c.enterprise()
	if err != nil {
		return nil, err
	}
	row, err := read(ctx, c, ent, func(ctx context.Context) (readmodel.Enterprise, error) {
		return c.Directory.Enterprise(ctx, ent)
	})
	if err := enterpriseError(ent, row, err); err != nil {
		return nil, err
	}
	return &reply[Enterprise]{ETag: etagOf(row.Revision, row.LastSeq), Body: c.enterpriseOf(row)}, nil
}

func (a *api) editEnterprise(ctx context.Context, c *call) (*reply[Receipt], error) {
	return c.toEnterprise(ctx, domain.EditEnterprise{}.Name())
}

// removeEnterprise removes it, and revokes the tokens that are for it: they must
// not open what somebody registers under the same id later. A repeat does that
// again, for the first may not have come so far, and leaves the tokens of who has
// registered the id meanwhile.
func (a *api) removeEnterprise(ctx context.Context, c *call) (*reply[Receipt], error) {
	ent, cmd, err := c.enterpriseCommand(domain.RemoveEnterprise{}.Name())
	if err != nil {
		return nil, err
	}
	got, err := c.carryOut(ctx, ent, cmd)
	if err != nil {
		return nil, err
	}
	var until time.Time
	if got.Repeated {
		until = got.At
	}
	out := receiptOf(got)
	n, err := within(ctx, writeTimeout, func(ctx context.Context) (int, error) { return c.Tokens.RevokeAll(ctx, c.principal, ent, until) })
	if err != nil {
		_ = a.refuse(c.r, err) // it is for the log
		out.Body.Warnings = append(out.Body.Warnings, domain.Warning{
			Code: warnTokensLeft, Message: "the enterprise is removed, but the tokens that are for it could not be revoked; revoke them, or somebody who registers the id again shares it with their holders",
		})
	}
	if n > 0 {
		out.Body.Warnings = append(out.Body.Warnings, domain.Warning{
			Code: warnTokensRevoked, Message: "the tokens that were for it alone are revoked: " + strconv.Itoa(n),
		})
	}
	return out, nil
}

// The codes of warnings that are about tokens.
const (
	warnTokensLeft    = "tokens_left"
	warnTokensRevoked = "tokens_revoked"
)

// toEnterprise reads the command called name and gives it to the enterprise of
// the path.
func (c *call) toEnterprise(ctx context.Context, name domain.CommandName) (*reply[Receipt], error) {
	ent, cmd, err := c.enterpriseCommand(name)
	if err != nil {
		return nil, err
	}
	return c.give(ctx, ent, cmd)
}

// enterpriseCommand reads the command called name, and the enterprise of the path.
func (c *call) enterpriseCommand(name domain.CommandName) (events.EnterpriseID, domain.Command, error) {
	ent, err := c.enterprise()
	if err != nil {
		return "", nil, err
	}
	cmd, err := c.decode(name)
	return ent, cmd, err
}

func (c *call) enterpriseOf(row readmodel.Enterprise) Enterprise {
	e := Enterprise{
		ID: row.ID, Description: row.Description, Domain: row.Domain,
		Server:   Server{row.Server.Hostname, orNull(row.Server.Address), orNull(row.Server.Version), row.Server.Deployment},
		Peers:    PeerCounts{Total: row.PeersTotal, ByStatus: row.ByStatus},
		Warnings: []domain.Warning{},
		Revision: row.Revision, UpdatedAt: row.UpdatedAt.UTC(),
	}
	if e.Peers.ByStatus == nil {
		e.Peers.ByStatus = map[events.Status]int{}
	}
	if row.DomainShared && c.principal.SeesAll() { // else it would tell of an enterprise that is not there for the caller
		e.Warnings = append(e.Warnings, domain.Warning{
			Code: "domain_shared", Message: "another enterprise of this deployment has the domain " + row.Domain + " too",
		})
	}
	return e
}

// enterpriseServerInput, and the types below, describe bodies in the OpenAPI
// document. Nothing is read into them.
type enterpriseServerInput struct {
	_          struct{} `additionalProperties:"false"`
	Hostname   string   `json:"hostname" doc:"FQDN." maxLength:"253"`
	Address    string   `json:"address,omitempty" doc:"IP address or FQDN; left out or empty: not known."`
	Version    string   `json:"version,omitempty" doc:"Left out or empty: not known." example:"9.8"`
	Deployment string   `json:"deployment,omitempty" enum:"standard,micloud-flex-gcp" doc:"Left out: standard. Peering is not supported on micloud-flex-gcp."`
}

type enterpriseInput struct {
	_           struct{}              `additionalProperties:"false"`
	ID          string                `json:"id" minLength:"4" maxLength:"32" pattern:"^[A-Za-z0-9-]+$" doc:"Unique without regard to case; never changes."`
	Description string                `json:"description" minLength:"1" maxLength:"128"`
	Domain      string                `json:"domain" doc:"In the form of a DNS suffix; need not resolve."`
	Server      enterpriseServerInput `json:"server"`
}

type enterpriseServerPatch struct {
	_          struct{} `additionalProperties:"false"`
	Hostname   string   `json:"hostname,omitempty"`
	Address    *string  `json:"address,omitempty" nullable:"true" doc:"Null or empty: not known."`
	Version    *string  `json:"version,omitempty" nullable:"true" doc:"Null or empty: not known."`
	Deployment string   `json:"deployment,omitempty" enum:"standard,micloud-flex-gcp"`
}

type enterprisePatch struct {
	_           struct{}               `additionalProperties:"false"`
	Description string                 `json:"description,omitempty" minLength:"1" maxLength:"128"`
	Domain      string                 `json:"domain,omitempty"`
	Server      *enterpriseServerPatch `json:"server,omitempty"`
}

func registerEnterpriseDoc() *bodyDoc {
	return &bodyDoc{
		command: domain.RegisterEnterprise{}.Name(), schema: reflect.TypeFor[enterpriseInput](),
		examples: map[string]any{"A server of one's own": map[string]any{
			"id": "acme", "description": "Acme headquarters", "domain": "acme.example",
			"server": map[string]any{"hostname": "uc1.acme.example", "address": "192.0.2.10", "version": "9.8", "deployment": "standard"},
		}},
	}
}

func editEnterpriseDoc() *bodyDoc {
	return &bodyDoc{
		command: domain.EditEnterprise{}.Name(), schema: reflect.TypeFor[enterprisePatch](),
		examples: map[string]any{
			"Rename":           map[string]any{"description": "Acme, head office"},
			"Upgrade and move": map[string]any{"server": map[string]any{"version": "9.8.1", "address": "192.0.2.11"}},
		},
	}
}
