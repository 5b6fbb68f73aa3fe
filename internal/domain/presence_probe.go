package domain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/peering/peering/internal/events"
)

// CauseNotProbed is the code of the cause of a status that is unknown because
// nobody probes. Its layer is policy.
const CauseNotProbed = "not_probed"

// probeMaxAge is how old a probe may be and still tell how things are.
const probeMaxAge = 5 * time.Minute

// layer tells what the latest probe found on one layer.
func (f PresenceFacts) layer(name string) PresenceStep {
	if !f.Enabled {
		return PresenceStep{name, CheckUnknown, "Not tried: the peer is disabled.", "Enable the peer."}
	}
	s := f.found(name)
	if expiring := f.attention(CauseCertificateExpiring); name == events.LayerTLS && expiring != "" && s.Result != CheckFailed {
		return PresenceStep{name, CheckFailed, expiring, "Renew the certificate of the peer before it ends."}
	}
	if f.Probe != nil && f.Cause.Code == CauseNotProbed {
		s.Evidence += " Not probed now: " + clause(f.Cause.Message) + "."
	}
	return s
}

// found is layer without what the status says.
func (f PresenceFacts) found(name string) PresenceStep {
	if f.Probe == nil {
		why := "the peer was not probed yet"
		if f.Cause.Code == CauseNotProbed || f.Cause.Code == CauseProberIsolated {
			why = cmp.Or(clause(f.Cause.Message), why)
		}
		return PresenceStep{name, CheckUnknown, sentence("not tried: " + why), f.again()}
	}
	step, found := f.step(name)
	switch {
	case !found && f.broken() != "":
		return PresenceStep{
			name, CheckUnknown, f.said("not tried: the probe ended at the layer " + f.broken()),
			"Repair what the probe ended at first.",
		}
	case !found:
		return PresenceStep{name, CheckUnknown, f.said("the latest probe says nothing of the layer " + name), f.again()}
	case !f.fresh():
		return PresenceStep{name, CheckUnknown, f.said(step.Message), f.again()}
	case !step.OK:
		return PresenceStep{name, CheckFailed, f.said(step.Message), fixFor(step)}
	}
	return PresenceStep{name, CheckOK, f.said(step.Message), ""}
}

// again is what brings a probe that tells how things are.
func (f PresenceFacts) again() string {
	if f.Cause.Code == CauseNotProbed {
		return "See that a prober runs and can report: /health says what is in its way."
	}
	return "Probe the peer now."
}

// attention is what a probe of now, or the status of the peer, says of something
// that needs attention by one of codes; "": nothing.
func (f PresenceFacts) attention(codes ...string) string {
	switch {
	case f.fresh() && f.Probe.OK && slices.Contains(codes, f.Probe.Cause.Code):
		return f.said(f.Probe.Cause.Message)
	case slices.Contains(codes, f.Cause.Code):
		return sentence(f.Cause.Message)
	}
	return ""
}

// step finds what the probe says of a layer. That policy kept the probe from
// connecting is said of the connect layer.
func (f PresenceFacts) step(layer string) (events.Step, bool) {
	at := slices.IndexFunc(f.Probe.Steps, func(s events.Step) bool {
		return s.Layer == layer || layer == events.LayerConnect && s.Layer == events.LayerPolicy && !s.OK
	})
	if at < 0 {
		return events.Step{}, false
	}
	return f.Probe.Steps[at], true
}

// broken is the layer that the probe failed at; "": none.
func (f PresenceFacts) broken() string {
	at := slices.IndexFunc(f.Probe.Steps, func(s events.Step) bool { return !s.OK })
	if at < 0 {
		return ""
	}
	return f.Probe.Steps[at].Layer
}

// fresh reports whether there is a probe that tells how things are now.
func (f PresenceFacts) fresh() bool {
	return f.Probe != nil && f.Now.Sub(f.Probe.Started) <= probeMaxAge
}

// said makes a sentence of what the probe found, with its age.
func (f PresenceFacts) said(what string) string {
	return sentence(fmt.Sprintf("%s (%s ago)", strings.TrimSuffix(strings.TrimSpace(what), "."), spell(f.Now.Sub(f.Probe.Started))))
}
