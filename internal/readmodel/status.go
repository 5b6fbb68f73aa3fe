package readmodel

import "github.com/peering/peering/internal/events"

// connection is the status of the row in the words of the one fold of it, and
// connect the way back. What a row says of its connection changes in no other way.
func (p *peerRow) connection() events.Connection {
	return events.Connection{
		External: p.Type == events.PeerExternal, Enabled: p.Enabled, Status: p.Status,
		Cause: events.Cause{Layer: p.CauseLayer, Code: p.CauseCode, Message: p.CauseMessage},
		Since: moment(p.StatusSince), From: seq(p.ProbedFrom),
	}
}

func (p *peerRow) connect(c events.Connection) {
	p.Enabled, p.Status = c.Enabled, c.Status
	p.CauseLayer, p.CauseCode, p.CauseMessage = c.Cause.Layer, c.Cause.Code, c.Cause.Message
	p.StatusSince, p.ProbedFrom = micros(c.Since), integer(c.From)
}

// follow applies an event to the connection.
func (p *peerRow) follow(r events.Recorded) {
	if c := p.connection(); c.Apply(r) {
		p.connect(c)
	}
}

// report applies what a prober saw beside the status. What it saw under a
// configuration that is not the peer's any more says nothing; a report that does
// not say what was probed is believed.
func (p *peerRow) report(event events.PeerEvent) {
	counts := func(config events.Seq) bool {
		c := p.connection()
		return config == 0 || c.Counts(config)
	}
	switch e := event.(type) {
	case events.PeerVersionDetected:
		if counts(e.ConfigSeq) {
			p.detect(e.To)
		}
	case events.PeerCertificateSeen:
		if counts(e.ConfigSeq) {
			p.Certificate, p.NotAfter = encoded(e), micros(e.NotAfter)
		}
	}
}

// forget drops what the server behind the old hostname has shown.
func (p *peerRow) forget() {
	p.detect("")
	p.Certificate, p.NotAfter = "", 0
}
