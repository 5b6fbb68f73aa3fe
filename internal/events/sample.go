package events

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// SamplesStream holds what single probes found, the newest of each peer. Samples
// are not events: they may be lost, and nothing is derived from them but what is
// shown beside the status.
const (
	SamplesStream = "PEERING_SAMPLES"
	samplesRoot   = "peering.samples."
	FilterSamples = samplesRoot + "*.*"
	// SamplesPerPeer is how many samples of a peer are kept.
	SamplesPerPeer = 120
)

// The layers of a probe, from the bottom. LayerPolicy is what is decided here
// and not found out there: an address that may not be dialled, a prober that
// does not trust itself.
const (
	LayerDNS     = "dns"
	LayerConnect = "connect"
	LayerTLS     = "tls"
	LayerHTTP    = "http"
	LayerPolicy  = "policy"
)

// Step is what a probe found on one layer.
type Step struct {
	Layer   string  `json:"layer"`
	OK      bool    `json:"ok"`
	Code    string  `json:"code,omitempty"` // of the cause, when it failed
	Message string  `json:"message"`        // a sentence for a person; safe to show
	TookMS  float64 `json:"took_ms"`
}

// Sample is one probe of a peer.
type Sample struct {
	Enterprise EnterpriseID `json:"enterprise"`
	Peer       PeerID       `json:"peer"`
	ConfigSeq  Seq          `json:"config_seq"` // the configuration that was probed
	Prober     string       `json:"prober"`
	Started    time.Time    `json:"started"`
	OK         bool         `json:"ok"` // the peer answered on every layer
	// Cause says what failed, or, of a peer that answered, what needs attention.
	Cause     Cause    `json:"cause,omitzero"`
	LatencyMS float64  `json:"latency_ms,omitempty"` // from the first connect to the HTTP answer; 0: there was none
	ByHand    bool     `json:"by_hand,omitempty"`
	Addresses []string `json:"addresses,omitempty"` // that the name resolved to
	Version   string   `json:"version,omitempty"`
	Steps     []Step   `json:"steps,omitempty"`
}

// SampleSubject is the subject of one peer's samples.
func SampleSubject(ent EnterpriseID, p PeerID) string {
	return samplesRoot + string(ent) + "." + string(p)
}

// DecodeSample reads a sample from its subject and body. An error says why it
// is none; such a message is to be passed over.
func DecodeSample(subject string, data []byte) (Sample, error) {
	var s Sample
	if err := json.Unmarshal(data, &s); err != nil {
		return Sample{}, fmt.Errorf("events: sample: %w", err)
	}
	rest, _ := strings.CutPrefix(subject, samplesRoot)
	ent, peer, _ := strings.Cut(rest, ".")
	id, err := ParseEnterpriseID(ent)
	if err != nil || id != s.Enterprise || peer != string(s.Peer) {
		return Sample{}, fmt.Errorf("events: sample: %q is not the subject of %q of %q", subject, s.Peer, s.Enterprise)
	}
	if _, err := ParsePeerID(peer); err != nil {
		return Sample{}, fmt.Errorf("events: sample: %w", err)
	}
	s.Started = s.Started.UTC()
	return s, nil
}
