package readmodel

import (
	"cmp"

	"github.com/peering/peering/internal/events"
)

// restart sets the status that a peer has before it is probed under its present
// configuration. What a prober says about an older one does not count any more.
func (p *peerRow) restart(r events.Recorded) {
	p.Status = events.StatusUnknown
	switch {
	case p.Type == events.PeerExternal:
		p.Status = events.StatusNA
	case !p.Enabled:
		p.Status = events.StatusDisabled
	}
	p.CauseLayer, p.CauseCode, p.CauseMessage = "", "", ""
	p.StatusSince = micros(r.Time)
	p.ProbedFrom = integer(r.Seq)
}

// report applies what a prober saw.
func (p *peerRow) report(event events.PeerEvent) {
	switch e := event.(type) {
	case events.PeerStatusChanged:
		if !p.Enabled || p.Type == events.PeerExternal || integer(e.ConfigSeq) < p.ProbedFrom {
			return // a verdict about what the peer is not any more
		}
		p.Status, p.StatusSince = cmp.Or(e.To, events.StatusUnknown), micros(e.Since)
		p.CauseLayer, p.CauseCode, p.CauseMessage = e.Cause.Layer, e.Cause.Code, e.Cause.Message
	case events.PeerVersionDetected:
		p.detect(e.To)
	case events.PeerCertificateSeen:
		p.Certificate, p.NotAfter = encoded(e), micros(e.NotAfter)
	}
}
