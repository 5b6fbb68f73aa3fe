package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

// findPeer returns the peer that a person named by its id or, in any case, by its
// description. An id wins. Of one that was deleted the error tells
// the story (CodeGone); CodeNotFound: there never was one.
func findPeer(ctx context.Context, api *client.Client, ent client.EnterpriseID, name string) (client.Peer, error) {
	if mayBeID(name) {
		p, err := api.Peer(ctx, ent, client.PeerID(name))
		if client.Code(err) != client.CodeNotFound {
			return p, err
		}
	}
	p, err := peerByDescription(ctx, api, ent, name)
	if err == nil && p.Deleted != nil {
		return api.Peer(ctx, ent, p.ID)
	}
	return p, err
}

// findPeerID is findPeer for what is also asked of a peer that is gone.
func findPeerID(ctx context.Context, api *client.Client, ent client.EnterpriseID, name string) (client.PeerID, error) {
	if mayBeID(name) {
		_, err := api.Peer(ctx, ent, client.PeerID(name))
		switch code := client.Code(err); {
		case err == nil, code == client.CodeGone:
			return client.PeerID(name), nil
		case code != client.CodeNotFound:
			return "", err
		}
	}
	p, err := peerByDescription(ctx, api, ent, name)
	return p.ID, err
}

// namedPeer returns the client and the peer that the arguments ENTERPRISE PEER
// name.
func (c *console) namedPeer(cmd *cobra.Command, args []string) (*client.Client, client.Peer, error) {
	api, err := c.client()
	if err != nil {
		return nil, client.Peer{}, err
	}
	p, err := findPeer(cmd.Context(), api, client.EnterpriseID(args[0]), args[1])
	return api, p, err
}

// namedPeerID is namedPeer for what is also asked of a peer that is gone.
func (c *console) namedPeerID(cmd *cobra.Command, args []string) (*client.Client, client.PeerID, error) {
	api, err := c.client()
	if err != nil {
		return nil, "", err
	}
	id, err := findPeerID(cmd.Context(), api, client.EnterpriseID(args[0]), args[1])
	return api, id, err
}

// peerByDescription returns the peer of this description, or the one that was
// deleted last.
func peerByDescription(ctx context.Context, api *client.Client, ent client.EnterpriseID, name string) (client.Peer, error) {
	q := client.PeerQuery{Description: name, ListQuery: client.ListQuery{Limit: 1}}
	for _, deleted := range []bool{false, true} {
		if q.Deleted = deleted; deleted {
			q.Sort = "-updated_at"
		}
		page, err := api.Peers(ctx, ent, q)
		if err != nil {
			return client.Peer{}, err
		}
		if len(page.Items) == 1 && strings.EqualFold(page.Items[0].Description, name) {
			return page.Items[0], nil
		}
	}
	return client.Peer{}, notFound("there is no peer %q in the enterprise %s", name, ent)
}

// findTrustedServer returns the entry that a person named by its id or
// by its description. Several entries may have the same description: that is
// wrong usage, and the error names their ids.
func findTrustedServer(ctx context.Context, api *client.Client, ent client.EnterpriseID, name string) (client.TrustedServer, error) {
	if mayBeID(name) {
		t, err := api.TrustedServer(ctx, ent, client.TrustedServerID(name))
		if client.Code(err) != client.CodeNotFound {
			return t, err
		}
	}
	page, err := api.TrustedServers(ctx, ent, client.TrustedServerQuery{Description: name})
	if err != nil {
		return client.TrustedServer{}, err
	}
	var found []client.TrustedServer
	var ids []string
	for _, t := range page.Items {
		if strings.EqualFold(t.Description, name) {
			found, ids = append(found, t), append(ids, fmt.Sprintf("%s (%s, %s)", t.ID, t.Host, t.Type))
		}
	}
	switch len(found) {
	case 0:
		return client.TrustedServer{}, notFound("there is no trusted server %q in the enterprise %s", name, ent)
	case 1:
		return found[0], nil
	}
	return client.TrustedServer{}, usage("several trusted servers are called %q; name one by its id: %s", name, strings.Join(ids, ", "))
}

// mayBeID spares the question about an id that cannot be one.
func mayBeID(name string) bool { return !strings.ContainsAny(name, " ./\\") }

// notFound is what the server would answer if it could be asked by description.
func notFound(format string, args ...any) error {
	e := client.Error{
		Type: "about:blank", Title: http.StatusText(http.StatusNotFound), Status: http.StatusNotFound,
		Code: client.CodeNotFound, Detail: fmt.Sprintf(format, args...),
	}
	document, err := json.Marshal(map[string]any{
		"type": e.Type, "title": e.Title, "status": e.Status, "code": e.Code, "detail": e.Detail,
	})
	if err != nil { // of texts and a number: does not happen
		return err
	}
	e.Document = append(document, '\n')
	return &e
}
