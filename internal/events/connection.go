package events

import (
	"cmp"
	"time"
)

// Connection is what the events of one peer say about the status of the
// connection to it. It is the one place where that is told: the peer table, the
// timeline and the prober all fold it, and so agree at every sequence. The zero
// value is a peer that was not added yet.
type Connection struct {
	External bool // never probed
	Enabled  bool
	Status   Status
	Cause    Cause
	Since    time.Time
	// From is the configuration event that the status began under. A verdict
	// about an older configuration does not count.
	From Seq
}

// Apply folds one event of the peer and reports whether it had anything to say
// about the connection. A peer that is added, reached elsewhere, enabled or
// disabled begins anew: what was known about it before says nothing now. A status
// that is of the configuration alone, disabled or N/A, lasts through all that
// leaves it as it is. None begins before the one before it, whatever the clocks of
// the probers said.
func (c *Connection) Apply(r Recorded) bool {
	before := c.Since
	switch e := r.Event.(type) {
	case PeerAdded:
		*c = Connection{External: e.PeerType == PeerExternal, Enabled: true}
		c.restart(r)
	case PeerHostnameChanged, PeerEnterpriseChanged:
		c.restart(r)
	case PeerDisabled:
		c.Enabled = false
		c.restart(r)
	case PeerEnabled:
		c.Enabled = true
		c.restart(r)
	case PeerStatusChanged:
		if !c.Counts(e.ConfigSeq) {
			return false
		}
		c.Status, c.Cause, c.Since = cmp.Or(e.To, StatusUnknown), e.Cause, e.Since
	default:
		return false
	}
	if c.Since.Before(before) {
		c.Since = before
	}
	return true
}

// Counts reports whether what a prober found under that configuration is about
// the peer as it is now.
func (c *Connection) Counts(config Seq) bool {
	return c.Enabled && !c.External && config >= c.From
}

// restart sets the status that a peer has before it is probed under its present
// configuration.
func (c *Connection) restart(r Recorded) {
	before := c.Status
	c.Status, c.Cause, c.From = StatusUnknown, Cause{}, r.Seq
	switch {
	case c.External:
		c.Status = StatusNA
	case !c.Enabled:
		c.Status = StatusDisabled
	}
	if c.Status == StatusUnknown || c.Status != before {
		c.Since = r.Time
	}
}
