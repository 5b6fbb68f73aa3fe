package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Step is what was found on one layer.
type Step struct {
	Layer   string  `json:"layer"` // "dns", "connect", "tls", "http" or "policy"
	OK      bool    `json:"ok"`
	Code    string  `json:"code"` // of what failed
	Message string  `json:"message"`
	TookMS  float64 `json:"took_ms"`
}

// TestResult is what a look at a server has found, which need not be a peer's.
type TestResult struct {
	Steps       []Step       `json:"steps"`
	OK          bool         `json:"ok"`    // it answered on every layer
	Cause       *StatusCause `json:"cause"` // what failed or needs attention
	Version     string       `json:"version"`
	Certificate *Certificate `json:"certificate"`
	Addresses   []string     `json:"addresses"`
	LatencyMS   *float64     `json:"latency_ms"` // nil: there was no answer
	StartedAt   time.Time    `json:"started_at"`
	Prober      string       `json:"prober"`
}

// ProbeResult is what a look at a peer has found, and what follows from it.
type ProbeResult struct {
	TestResult
	Status      string       `json:"status"` // "": it is what it was
	StatusCause *StatusCause `json:"status_cause"`
	Sequence    Seq          `json:"sequence"` // of the event that it led to; 0: it changed nothing
}

// PeerTest is what a test takes: what a peer would be added with, of which the
// hostname is enough. Fields that are nil or empty are not sent.
type PeerTest struct {
	Type             string  `json:"type,omitempty"`
	Description      string  `json:"description,omitempty"`
	Hostname         *string `json:"hostname,omitempty"`
	Port             *int    `json:"port,omitempty"`
	Address          *string `json:"address,omitempty"`
	PeerEnterpriseID *string `json:"peer_enterprise_id,omitempty"`
	DialingPrefix    *string `json:"dialing_prefix,omitempty"`
	Version          *string `json:"version,omitempty"`
}

// Sample is one probe of a peer.
type Sample struct {
	StartedAt time.Time    `json:"started_at"`
	OK        bool         `json:"ok"`
	Cause     *StatusCause `json:"cause"`
	LatencyMS *float64     `json:"latency_ms"` // nil: there was no answer
	Steps     []Step       `json:"steps"`
	Addresses []string     `json:"addresses"`
	Version   string       `json:"version"`
	ByHand    bool         `json:"by_hand"`
	Prober    string       `json:"prober"`
	ConfigSeq Seq          `json:"config_seq"` // the configuration that was probed
}

// PresenceCheck answers why the presence of a peer does not show.
type PresenceCheck struct {
	Checks []PresenceStep `json:"checks"`
}

// PresenceStep is one line of the checklist.
type PresenceStep struct {
	Step     string `json:"step"`
	Result   string `json:"result"` // "ok", "failed" or "unknown"
	Evidence string `json:"evidence"`
	Fix      string `json:"fix"` // "": nothing is to be done
}

// ProbePeer has a prober look at a peer now, which may take some 12 seconds, and
// counts as any other probe. A peer that does not answer is no error: see
// ProbeResult.OK. CodeConflict: the prober has not learned of the peer yet.
func (c *Client) ProbePeer(ctx context.Context, ent EnterpriseID, id PeerID, opts ...ReadOption) (ProbeResult, error) {
	var out ProbeResult
	r := peerRequest(http.MethodPost, ent, string(id), "probe").asRead(opts)
	r.once = true // the answer to the first is as good, and the second may come in its way
	err := c.do(ctx, r, &out)
	return out, err
}

// TestPeer has a prober look at a server that is no peer yet, which may take
// some 12 seconds. Nothing is written.
func (c *Client) TestPeer(ctx context.Context, ent EnterpriseID, t PeerTest, opts ...CallOption) (TestResult, error) {
	var out TestResult
	r := newRequest(http.MethodPost, enterprisesPath, string(ent), "peers:test").send(t).asCall(opts)
	r.once = true
	err := c.do(ctx, r, &out)
	return out, err
}

// Samples lists the last probes of a peer, the newest first; limit 0: all that
// are kept.
func (c *Client) Samples(ctx context.Context, ent EnterpriseID, id PeerID, limit int, opts ...ReadOption) (Page[Sample], error) {
	v := url.Values{}
	if limit != 0 {
		v.Set("limit", strconv.Itoa(limit))
	}
	return fetch[Sample](ctx, c, peerRequest(http.MethodGet, ent, string(id), "samples"), v, opts)
}

// CheckPresence finds out why the presence of a peer does not show.
func (c *Client) CheckPresence(ctx context.Context, ent EnterpriseID, id PeerID, opts ...ReadOption) (PresenceCheck, error) {
	var out PresenceCheck
	err := c.do(ctx, peerRequest(http.MethodGet, ent, string(id), "presence-check").asRead(opts), &out)
	return out, err
}
