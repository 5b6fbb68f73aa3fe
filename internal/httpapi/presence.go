package httpapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const presencePath = peerPath + "/presence-check"

// PresenceCheck answers why the presence of a peer does not show.
type PresenceCheck struct {
	Checks []PresenceStep `json:"checks" nullable:"false" doc:"All of them, in the order in which they are worth repairing."`
}

// PresenceStep is one line of the checklist.
type PresenceStep struct {
	Step     string  `json:"step" enum:"platform,enabled,trusted_entry,dns,connect,tls,versions,other_side"`
	Result   string  `json:"result" enum:"ok,failed,unknown" doc:"Unknown: not found out, or it does not apply."`
	Evidence string  `json:"evidence" doc:"What it is known by, in a sentence."`
	Fix      *string `json:"fix" doc:"What to do about it, in a sentence; null: nothing."`
}

func (a *api) presenceRoutes() {
	register(a, operation{
		id: "check-presence", tag: peerTag, method: http.MethodGet, path: presencePath, needs: []need{theDirectory, theSamples},
		summary: "Find out why presence does not show",
		about: "Goes through what presence needs, from the platform to the entry on the other side, and says of each how it is, how that is known and what to do. " +
			"Nothing is probed: see probe. The other side is looked up when it is in this deployment and the caller may see it.",
		params: readParams(enterpriseParam(), peerParam()), codes: []domain.Code{domain.NotFound, domain.Gone},
	}, a.checkPresence)
}

func (a *api) checkPresence(ctx context.Context, c *call) (*reply[PresenceCheck], error) {
	row, err := c.livingPeer(ctx)
	if err != nil {
		return nil, err
	}
	facts, err := within(ctx, readTimeout, func(ctx context.Context) (domain.PresenceFacts, error) { return c.presenceFacts(ctx, row) })
	if err != nil {
		return nil, err
	}
	facts.Now = a.now()
	return &reply[PresenceCheck]{Body: presenceOf(domain.CheckPresence(facts))}, nil
}

func presenceOf(list []domain.PresenceStep) PresenceCheck {
	out := PresenceCheck{Checks: make([]PresenceStep, 0, len(list))}
	for _, s := range list {
		out.Checks = append(out.Checks, PresenceStep{Step: s.Step, Result: s.Result, Evidence: s.Evidence, Fix: orNull(s.Fix)})
	}
	return out
}

// presenceFacts gathers what is known of the way to a peer.
func (c *call) presenceFacts(ctx context.Context, row readmodel.Peer) (domain.PresenceFacts, error) {
	local, err := c.Directory.Enterprise(ctx, row.Enterprise)
	if err := enterpriseError(row.Enterprise, local, err); err != nil {
		return domain.PresenceFacts{}, err
	}
	f := domain.PresenceFacts{
		Enterprise: row.Enterprise, Deployment: local.Server.Deployment,
		LocalHostname: local.Server.Hostname, LocalAddress: local.Server.Address, LocalVersion: local.Server.Version,
		Type: row.Type, Enabled: row.Enabled, Hostname: row.Hostname, PeerEnterprise: row.PeerEnterpriseID, PeerVersion: row.Version,
		Host: row.Host, Cause: row.Cause,
	}
	if row.Type == events.PeerExternal {
		return f, nil
	}
	if f.TrustedHost, err = c.trustedHost(ctx, row); err != nil {
		return f, err
	}
	if f.Probe, err = c.lastSample(ctx, row); err != nil {
		return f, err
	}
	f.Other, err = c.otherSide(ctx, local, row)
	return f, err
}

// trustedHost is what the trusted entry of a peer names; "": there is none.
func (c *call) trustedHost(ctx context.Context, row readmodel.Peer) (string, error) {
	entry, err := c.Directory.TrustedServer(ctx, row.Enterprise, events.TrustedServerOfPeer(row.ID))
	switch {
	case errors.Is(err, readmodel.ErrNotFound), err == nil && entry.Removed != nil:
		return "", nil
	case err != nil:
		return "", err
	}
	return entry.Host, nil
}

// lastSample is the last probe of a peer under its present configuration; nil:
// there was none. The directory learns of probes a moment late: what it does not
// know of yet counts when it was found under the newest configuration there is,
// or since the status began, which it does anew with a configuration that
// matters.
func (c *call) lastSample(ctx context.Context, row readmodel.Peer) (*events.Sample, error) {
	list, err := c.Samples.Samples(ctx, row.Enterprise, row.ID, 1)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	last := list[0]
	known := !row.LastProbe.IsZero() && !last.Started.Before(row.LastProbe)
	since := !row.StatusSince.IsZero() && !last.Started.Before(row.StatusSince)
	if known || since || last.ConfigSeq >= row.Revision {
		return &last, nil
	}
	return nil, nil //nolint:nilnil // a probe that there is not is no error
}

// otherSide looks up the entry that the other server has for the enterprise of
// a peer. What the caller may not see is not looked at: it has to look like what
// is not there.
func (c *call) otherSide(ctx context.Context, local readmodel.Enterprise, row readmodel.Peer) (domain.OtherSide, error) {
	if !c.principal.Sees(row.PeerEnterpriseID) {
		return domain.OtherSide{}, nil
	}
	other, err := c.Directory.Enterprise(ctx, row.PeerEnterpriseID)
	switch {
	case err == nil && other.Removed == nil && other.Server.Hostname == row.Hostname:
		return c.peerOfOther(ctx, local, other.ID)
	case err != nil && !errors.Is(err, readmodel.ErrNotFound), !c.principal.SeesAll():
		return domain.OtherSide{}, unless(err, readmodel.ErrNotFound)
	}
	here, err := c.isHosted(ctx, row.Hostname)
	return domain.OtherSide{Known: here}, err
}

// unless returns err, or nil when it is what was reckoned with.
func unless(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// isHosted reports whether a server hosts an enterprise of this deployment: then
// all that it hosts is known.
func (c *call) isHosted(ctx context.Context, hostname string) (bool, error) {
	q := readmodel.EnterpriseQuery{ListQuery: readmodel.ListQuery{Q: hostname, Limit: wholePage}}
	for {
		page, err := c.Directory.Enterprises(ctx, q)
		if err != nil {
			return false, err
		}
		for _, e := range page.Items {
			if e.Removed == nil && e.Server.Hostname == hostname {
				return true, nil
			}
		}
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return false, nil
		}
	}
}

// wholePage is how many rows are looked through at once.
const wholePage = 1000

// peerOfOther finds the peer that another enterprise has for the local one.
func (c *call) peerOfOther(ctx context.Context, local readmodel.Enterprise, other events.EnterpriseID) (domain.OtherSide, error) {
	side := domain.OtherSide{Known: true, Exists: true}
	q := readmodel.PeerQuery{ListQuery: readmodel.ListQuery{Q: local.Server.Hostname, Limit: wholePage}, Type: events.PeerMiCollab}
	for {
		page, err := c.Directory.Peers(ctx, other, q)
		if err != nil {
			return domain.OtherSide{}, err
		}
		for _, p := range page.Items {
			if p.Hostname == local.Server.Hostname && p.PeerEnterpriseID == local.ID {
				side.HasPeer, side.Enabled = true, p.Enabled
				side.TrustedHost, err = c.trustedHost(ctx, p)
				return side, err
			}
		}
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return side, nil
		}
	}
}
