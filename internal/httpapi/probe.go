package httpapi

import (
	"context"
	"errors"
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
	probePath = peerPath + "/probe"
	testPath  = peersPath + ":test"
	// probeTimeout bounds a look at a server from outside; the prober itself gives
	// up before that, with steps that say how far it came.
	probeTimeout = 13 * time.Second
)

// Step is what was found on one layer.
type Step struct {
	Layer   string  `json:"layer" enum:"dns,connect,tls,http,policy"`
	OK      bool    `json:"ok"`
	Code    *string `json:"code" doc:"Stable name of what failed; null: nothing did." example:"name_mismatch"`
	Message string  `json:"message" doc:"A sentence for a person."`
	TookMS  float64 `json:"took_ms" doc:"Milliseconds."`
}

// TestResult is what a look at a server has found, which need not be a peer's.
type TestResult struct {
	Steps       []Step       `json:"steps" nullable:"false" doc:"From the bottom; the last one is where it ended."`
	OK          bool         `json:"ok" doc:"It answered on every layer."`
	Cause       *StatusCause `json:"cause" doc:"What failed or, when it answered, needs attention."`
	Version     *string      `json:"version" doc:"That it showed; null: none." example:"9.7.1"`
	Certificate *Certificate `json:"certificate" doc:"That it showed; null: none."`
	Addresses   []string     `json:"addresses" nullable:"false" doc:"That the hostname stands for." example:"192.0.2.20"`
	LatencyMS   *float64     `json:"latency_ms" doc:"Milliseconds from the first connect to the answer; null: there was none."`
	StartedAt   time.Time    `json:"started_at"`
	Prober      string       `json:"prober" doc:"Which prober looked."`
}

// ProbeResult is what a look at a peer has found, and what follows from it.
type ProbeResult struct {
	TestResult
	Status      *string      `json:"status" enum:"unknown,up,degraded,down,disabled" doc:"Of the peer, after this; null: it is what it was."`
	StatusCause *StatusCause `json:"status_cause"`
	Sequence    events.Seq   `json:"sequence" doc:"Of the event that it led to; 0: it changed nothing."`
}

// TransformSchema implements huma.SchemaTransformer.
func (ProbeResult) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return mayBeNull(s, "cause", "status_cause", "certificate")
}

// TransformSchema implements huma.SchemaTransformer.
func (TestResult) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return mayBeNull(s, "cause", "certificate")
}

// testInput describes the body of a test in the OpenAPI document.
type testInput struct {
	_                struct{} `additionalProperties:"false"`
	Type             string   `json:"type,omitempty" enum:"micollab,external" doc:"An external peer is not probed, and refused."`
	Description      string   `json:"description,omitempty" maxLength:"64" pattern:"^[A-Za-z0-9 -]*$"`
	Hostname         string   `json:"hostname" doc:"FQDN, as in the server's certificate."`
	Port             *int     `json:"port,omitempty" nullable:"true" minimum:"1" maximum:"65535" doc:"443 when not given."`
	Address          *string  `json:"address,omitempty" nullable:"true" doc:"At which it connects to us; it is not dialled."`
	PeerEnterpriseID *string  `json:"peer_enterprise_id,omitempty" nullable:"true"`
	DialingPrefix    *string  `json:"dialing_prefix,omitempty" nullable:"true" maxLength:"20" pattern:"^[0-9*#]+$"`
	Version          *string  `json:"version,omitempty" nullable:"true"`
}

func testDoc() *bodyDoc {
	return &bodyDoc{
		command: domain.AddPeer{}.Name(), schema: reflect.TypeFor[testInput](),
		examples: map[string]any{
			"A server": map[string]any{"hostname": "uc1.lyon.example"},
			"A peer to be": map[string]any{
				"type": "micollab", "description": "Branch Lyon", "hostname": "uc1.lyon.example", "port": 8443, "peer_enterprise_id": "lyon",
			},
		},
	}
}

func (a *api) probeRoutes() {
	register(a, operation{
		id: "probe-peer", tag: peerTag, method: http.MethodPost, path: probePath, right: access.ChangePeers, needs: []need{theDirectory, theProber},
		summary: "Look at a peer now",
		about: "Has the prober look at the peer and answers with what it found on each layer, which may take 12 seconds. " +
			"It counts like any other probe, and a success clears what was wrong at once. External and disabled peers are not probed. " +
			"409: the prober has not learned of the peer yet.",
		params: readParams(enterpriseParam(), peerParam()), codes: []domain.Code{domain.NotFound, domain.Gone, codeConflict},
	}, a.probePeer)
	register(a, operation{
		id: "test-peer", tag: peerTag, method: http.MethodPost, path: testPath, right: access.ChangePeers, needs: []need{theDirectory, theProber},
		summary: "Look at a server that is no peer yet",
		about: "Takes what a peer would be added with, of which the hostname is enough, and answers with what was found on each layer. Nothing is written. " +
			"It may take 12 seconds; two at a time for one token or enterprise.",
		params: []*huma.Param{enterpriseParam()}, body: testDoc(), codes: []domain.Code{domain.NotFound, domain.Gone},
	}, a.testPeer)
}

func (a *api) probePeer(ctx context.Context, c *call) (*reply[ProbeResult], error) {
	if err := c.saysNothing("probe"); err != nil {
		return nil, err
	}
	row, err := c.livingPeer(ctx)
	if err != nil {
		return nil, err
	}
	if err := mayBeProbed(row); err != nil {
		return nil, err
	}
	leave, err := a.probes.enter(c.owner())
	if err != nil {
		return nil, err
	}
	defer leave()
	r, err := within(ctx, probeTimeout, func(ctx context.Context) (ProbeReport, error) { return c.Prober.Probe(ctx, row.Enterprise, row.ID) })
	if err != nil {
		return nil, probeError(err)
	}
	return &reply[ProbeResult]{Body: a.probed(r)}, nil
}

func (a *api) testPeer(ctx context.Context, c *call) (*reply[TestResult], error) {
	ent, err := c.enterprise()
	if err != nil {
		return nil, err
	}
	target, err := c.testTarget()
	if err != nil {
		return nil, err
	}
	if _, err := within(ctx, readTimeout, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.knownEnterprise(ctx, ent)
	}); err != nil {
		return nil, err
	}
	leave, err := a.tests.enter(c.owner())
	if err != nil {
		return nil, err
	}
	defer leave()
	if !a.testRate.of(c.owner()).Allow() {
		return nil, tooMany("this token or enterprise")
	}
	r, err := within(ctx, probeTimeout, func(ctx context.Context) (ProbeReport, error) { return c.Prober.Test(ctx, target) })
	if err != nil {
		return nil, probeError(err)
	}
	return &reply[TestResult]{Body: a.tested(r)}, nil
}

// testTarget reads which server is meant from the body, with the decoder and the
// rules of adding a peer.
func (c *call) testTarget() (ProbeTarget, error) {
	body, err := c.jsonBody()
	if err != nil {
		return ProbeTarget{}, err
	}
	cmd, err := command.Decode(domain.AddPeer{}.Name(), body)
	if err != nil {
		return ProbeTarget{}, err
	}
	p, refusal := domain.TryPeer(cmd.(domain.AddPeer))
	if refusal != nil {
		return ProbeTarget{}, refusal
	}
	return ProbeTarget{Hostname: p.Hostname, Port: p.Port}, nil
}

// mayBeProbed refuses a peer that is never looked at.
func mayBeProbed(row readmodel.Peer) error {
	switch {
	case row.Type == events.PeerExternal:
		return problem(domain.Invalid, "", "The peer %q is external: there is no server to look at.", row.Description)
	case !row.Enabled:
		return problem(domain.Invalid, "", "The peer %q is disabled, and a disabled peer is not probed. Enable it first.", row.Description)
	}
	return nil
}

// probeError says what kept the prober from looking.
func probeError(err error) error {
	switch {
	case errors.Is(err, ErrNoProber):
		return problem(codeUnavailable, "", "No prober answers: nobody can look now. Try again, and see that a prober runs.")
	case errors.Is(err, ErrNotProbed):
		return problem(codeConflict, "", "The prober does not know the peer as it is now yet. Try again in a moment.")
	case errors.Is(err, ErrProberBusy):
		return tooMany("all callers together, with as many servers being looked at as the prober can")
	}
	return err
}
