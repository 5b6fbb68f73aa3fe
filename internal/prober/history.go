package prober

import (
	"net/netip"
	"slices"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// How much of a peer's past is kept.
const (
	maxFlips        = 5 // as many as flapping is told by, see domain.JudgeRules
	maxFingerprints = 4
)

// history is what probes have found at the peer's present hostname, as far as
// the log tells.
type history struct {
	Version     string    // that the peer showed last; empty: none yet
	VersionAt   time.Time // when that was noted
	Certificate string    // fingerprint of the one that was noted last
	NotAfter    time.Time // of it
	// Certificates are the fingerprints that were noted last, and CertificateAt
	// when the last was: servers behind one name may show several in turn.
	Certificates  []string
	CertificateAt time.Time
	AddressSeen   bool        // the hostname stood for the trusted address once
	NameCovered   bool        // a certificate covered the trusted name once
	Flips         []time.Time // latest changes between answering and down
}

// remember notes what a prober's event says of a peer whose status was before.
func (h *history) remember(r events.Recorded, before events.Connection, trusted string) {
	switch e := r.Event.(type) {
	case events.PeerVersionDetected:
		if e.ConfigSeq == 0 || before.Counts(e.ConfigSeq) {
			h.Version, h.VersionAt = e.To, r.Time
		}
	case events.PeerCertificateSeen:
		if e.ConfigSeq == 0 || before.Counts(e.ConfigSeq) {
			h.certificate(e, r.Time, trusted)
		}
	case events.PeerStatusChanged:
		if !before.Counts(e.ConfigSeq) {
			return
		}
		h.AddressSeen = h.AddressSeen || trusted != "" && domain.AddressMatches(trusted, addresses(e.Resolved))
		if domain.Flips(before, e) {
			h.Flips = append(h.Flips, e.ProbeStarted)
			h.Flips = slices.Clone(h.Flips[max(0, len(h.Flips)-maxFlips):])
		}
	}
}

func (h *history) certificate(e events.PeerCertificateSeen, at time.Time, trusted string) {
	h.Certificate, h.NotAfter, h.CertificateAt = e.Fingerprint, e.NotAfter, at
	if !slices.Contains(h.Certificates, e.Fingerprint) {
		h.Certificates = append(h.Certificates, e.Fingerprint)
		h.Certificates = slices.Clone(h.Certificates[max(0, len(h.Certificates)-maxFingerprints):])
	}
	h.NameCovered = h.NameCovered || trusted != "" && domain.NameCovers(e.Names, trusted)
}

// addresses are those among texts that are addresses.
func addresses(texts []string) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil {
			out = append(out, a)
		}
	}
	return out
}
