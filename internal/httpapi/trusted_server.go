package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const (
	allTrustedServersPath = "/api/v1/trusted-servers"
	trustedServersPath    = enterprisePath + "/trusted-servers"
	trustedServerPath     = trustedServersPath + "/{trusted_server}"
	trustedServerTag      = "trusted servers"
)

// Origins of an entry, as in the filter and in the answer.
const (
	originManual = "manual"
	originPeer   = "peer"
)

// TrustedServer is how an entry of the trusted-server list reads.
type TrustedServer struct {
	ID          events.TrustedServerID `json:"id" example:"0198c5c7-11aa-7d10-8e5f-6a7b8c9d0e1f"`
	Enterprise  events.EnterpriseID    `json:"enterprise" doc:"The enterprise it belongs to." example:"acme"`
	Description string                 `json:"description" example:"Presence gateway"`
	Host        string                 `json:"host" doc:"IP address or FQDN that may connect without authentication." example:"192.0.2.30"`
	Type        events.TrustType       `json:"type" enum:"presence,im,peer"`
	Origin      string                 `json:"origin" enum:"manual,peer"`
	PeerID      *string                `json:"peer_id" doc:"The peer that brought it; null: a manual entry."`
	Since       Since                  `json:"since" doc:"Since when, by whom and why this entry trusts this host."`
	Revision    events.Seq             `json:"revision" doc:"Sequence of its last configuration event."`
	UpdatedAt   time.Time              `json:"updated_at"`
}

// Since says which event made something so.
type Since struct {
	Sequence events.Seq `json:"sequence"`
	Time     time.Time  `json:"time"`
	Actor    string     `json:"actor"`
	Reason   string     `json:"reason"`
}

func (a *api) trustedServerRoutes() {
	filters := []*huma.Param{
		textParam("type", "Only entries of this type.", string(events.TrustPresence), string(events.TrustIM), string(events.TrustPeer)),
		textParam("origin", "Only entries of this origin.", originManual, originPeer),
		textParam("host", "Only entries of exactly this host."),
		textParam("description", "Only the entry of exactly this description, in any case."),
	}
	write := []domain.Code{domain.NotFound, domain.Gone, domain.Exists, domain.Stale, domain.FollowsPeer}
	register(a, operation{
		id: "list-all-trusted-servers", tag: trustedServerTag, method: http.MethodGet, path: allTrustedServersPath,
		summary: "List the trusted servers of all enterprises",
		params:  listParams(nil, "description or host", append(filters, textParam("enterprise", "Only entries of this enterprise."))...),
	}, a.listAllTrustedServers)
	register(a, operation{
		id: "list-trusted-servers", tag: trustedServerTag, method: http.MethodGet, path: trustedServersPath,
		summary: "List the trusted servers of an enterprise", about: "Who may connect without authentication. The entry of a disabled peer is not among them.",
		params: listParams([]*huma.Param{enterpriseParam()}, "description or host", filters...),
		codes:  []domain.Code{domain.NotFound, domain.Gone},
	}, a.listTrustedServers)
	register(a, operation{
		id: "add-trusted-server", tag: trustedServerTag, right: access.ChangeTrust, method: http.MethodPost, path: trustedServersPath, status: http.StatusCreated,
		summary: "Add a trusted server by hand", params: addParams(enterpriseParam()), body: addTrustedServerDoc(),
		codes: []domain.Code{domain.NotFound, domain.Gone, domain.Exists},
	}, a.addTrustedServer)
	register(a, operation{
		id: "show-trusted-server", tag: trustedServerTag, method: http.MethodGet, path: trustedServerPath,
		summary: "Show a trusted server", params: readParams(enterpriseParam(), trustedServerParam()),
		codes: []domain.Code{domain.NotFound, domain.Gone},
	}, a.showTrustedServer)
	register(a, operation{
		id: "edit-trusted-server", tag: trustedServerTag, method: http.MethodPatch, path: trustedServerPath,
		summary: "Change a trusted server", about: "A merge patch (RFC 7396). On a peer's entry only the description can change here; its host follows the peer.",
		params: changeParams(enterpriseParam(), trustedServerParam()), body: editTrustedServerDoc(), codes: write,
	}, toTrustedServer(domain.EditTrustedServer{}.Name()))
	register(a, operation{
		id: "remove-trusted-server", tag: trustedServerTag, method: http.MethodDelete, path: trustedServerPath,
		summary: "Remove a trusted server", about: "A peer's entry goes with its peer alone.",
		params: changeParams(enterpriseParam(), trustedServerParam()), codes: write,
	}, toTrustedServer(domain.RemoveTrustedServer{}.Name()))
}

// trustedServerQuery is what the lists take. A host is found however it is
// written: "is it trusted?" must not be answered with no for its spelling.
func (c *call) trustedServerQuery(ent events.EnterpriseID) (readmodel.TrustedServerQuery, error) {
	q := readmodel.TrustedServerQuery{
		ListQuery: c.listQuery(), Enterprise: ent,
		Type: events.TrustType(c.query.Get("type")), Origin: c.query.Get("origin"),
		Description: c.query.Get("description"),
	}
	if host := c.query.Get("host"); host != "" {
		var err error
		if q.Host, err = domain.NormaliseHost(host); err != nil {
			return q, problem(domain.Invalid, "host", "%s", err.Error())
		}
	}
	return q, nil
}

func (a *api) listAllTrustedServers(ctx context.Context, c *call) (*reply[List[TrustedServer]], error) {
	ent, err := c.enterpriseFilter()
	if err != nil {
		return nil, err
	}
	q, err := c.trustedServerQuery(ent)
	if err != nil {
		return nil, err
	}
	q.Only = c.principal.Enterprise
	if !c.principal.Sees(ent) {
		ent = "" // nothing is said of whether it is held back either
	}
	page, err := read(ctx, c, ent, func(ctx context.Context) (readmodel.Page[readmodel.TrustedServer], error) {
		return c.Directory.TrustedServers(ctx, q)
	})
	if err != nil {
		return nil, err
	}
	return listOf(page, trustedServerOf), nil
}

func (a *api) listTrustedServers(ctx context.Context, c *call) (*reply[List[TrustedServer]], error) {
	ent, err := c.enterprise()
	if err != nil {
		return nil, err
	}
	q, err := c.trustedServerQuery(ent)
	if err != nil {
		return nil, err
	}
	page, err := read(ctx, c, ent, func(ctx context.Context) (readmodel.Page[readmodel.TrustedServer], error) {
		page, err := c.Directory.TrustedServers(ctx, q)
		if err == nil && len(page.Items) == 0 {
			err = c.knownEnterprise(ctx, ent)
		}
		return page, err
	})
	if err != nil {
		return nil, err
	}
	return listOf(page, trustedServerOf), nil
}

func (a *api) addTrustedServer(ctx context.Context, c *call) (*reply[Receipt], error) {
	ent, err := c.enterprise()
	if err != nil {
		return nil, err
	}
	return c.add(ctx, ent, domain.AddTrustedServer{}.Name(), enterprisesPath+"/"+string(ent)+"/trusted-servers/")
}

func (a *api) showTrustedServer(ctx context.Context, c *call) (*reply[TrustedServer], error) {
	ent, id, err := c.trustedServer()
	if err != nil {
		return nil, err
	}
	row, err := read(ctx, c, ent, func(ctx context.Context) (readmodel.TrustedServer, error) {
		return c.Directory.TrustedServer(ctx, ent, id)
	})
	switch {
	case errors.Is(err, readmodel.ErrNotFound):
		return nil, noSuch("trusted server", string(id))
	case err != nil:
		return nil, err
	case row.Removed != nil:
		return nil, gone("The trusted server "+row.Description, *row.Removed)
	}
	return &reply[TrustedServer]{ETag: etagOf(row.Revision, row.Revision), Body: trustedServerOf(row)}, nil
}

// toTrustedServer returns the handler that reads the command called name and
// gives it to the entry of the path.
func toTrustedServer(name domain.CommandName) func(context.Context, *call) (*reply[Receipt], error) {
	return toResource(name, (*call).trustedServerToChange, aimAtTrustedServer)
}

// trustedServerToChange are the ids of the path, for a caller who may change
// what they name: which right that takes depends on it.
func (c *call) trustedServerToChange() (events.EnterpriseID, events.TrustedServerID, error) {
	ent, id, err := c.trustedServer()
	if right := access.RightForEntry(id); err == nil && !c.principal.May(right) {
		err = c.lacks(right)
	}
	return ent, id, err
}

// aimAtTrustedServer returns cmd for the entry id, as aimAtPeer does.
func aimAtTrustedServer(cmd domain.Command, id events.TrustedServerID) (domain.Command, error) {
	var err error
	switch order := cmd.(type) {
	case domain.EditTrustedServer:
		order.TrustedServer, err = aim("trusted_server", order.TrustedServer, id)
		cmd = order
	case domain.RemoveTrustedServer:
		order.TrustedServer, err = aim("trusted_server", order.TrustedServer, id)
		cmd = order
	default:
		return nil, fmt.Errorf("%s is not a command to a trusted server", cmd.Name())
	}
	return cmd, err
}

func trustedServerOf(row readmodel.TrustedServer) TrustedServer {
	origin := originManual
	if row.Peer != "" {
		origin = originPeer
	}
	return TrustedServer{
		ID: row.ID, Enterprise: row.Enterprise, Description: row.Description, Host: row.Host, Type: row.Type,
		Origin: origin, PeerID: orNull(string(row.Peer)),
		Since:    Since{row.Since.Seq, row.Since.Time.UTC(), row.Since.Actor, row.Since.Reason},
		Revision: row.Revision, UpdatedAt: row.UpdatedAt.UTC(),
	}
}

// trustedServerInput and trustedServerPatch describe bodies in the OpenAPI
// document. Nothing is read into them.
type trustedServerInput struct {
	_           struct{} `additionalProperties:"false"`
	Description string   `json:"description" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9 -]+$"`
	Host        string   `json:"host" doc:"IP address or FQDN."`
	Type        string   `json:"type" enum:"presence,im,peer" doc:"May receive presence, exchange instant messages, or exchange communication information."`
}

type trustedServerPatch struct {
	_             struct{} `additionalProperties:"false"`
	TrustedServer string   `json:"trusted_server,omitempty" doc:"May repeat what the path says."`
	Description   string   `json:"description,omitempty" minLength:"1" maxLength:"64"`
	Host          string   `json:"host,omitempty"`
	Type          string   `json:"type,omitempty" enum:"presence,im,peer"`
}

func addTrustedServerDoc() *bodyDoc {
	return &bodyDoc{
		command: domain.AddTrustedServer{}.Name(), schema: reflect.TypeFor[trustedServerInput](),
		examples: map[string]any{"A presence gateway": map[string]any{
			"description": "Presence gateway", "host": "192.0.2.30", "type": "presence",
		}},
	}
}

func editTrustedServerDoc() *bodyDoc {
	return &bodyDoc{
		command: domain.EditTrustedServer{}.Name(), schema: reflect.TypeFor[trustedServerPatch](),
		examples: map[string]any{"Move": map[string]any{"host": "gw2.acme.example"}},
	}
}
