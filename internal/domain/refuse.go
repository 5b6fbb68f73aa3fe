package domain

import (
	"fmt"

	"github.com/peering/peering/internal/events"
)

// invalid refuses because a field breaks a rule.
func invalid(field, format string, args ...any) *Error {
	return &Error{Code: Invalid, Field: field, Msg: fmt.Sprintf(format, args...)}
}

// breaks refuses because of the rule that a check or a normaliser returned; nil
// stays nil. label names the field in the sentence.
func breaks(field, label string, rule error) *Error {
	if rule == nil {
		return nil
	}
	return invalid(field, "%s %v", label, rule)
}

// stale refuses when the resource is not at the revision that the author of the
// command saw.
func stale(in Input, what string, now Stamp) *Error {
	if in.IfRevision == nil || *in.IfRevision == now.Seq {
		return nil
	}
	return &Error{
		Code:  Stale,
		Msg:   fmt.Sprintf("%s is at revision %d, not %d", what, now.Seq, *in.IfRevision),
		Stale: &StaleInfo{Current: now.Seq, ChangedBy: now.By, ChangedAt: now.Time},
	}
}

// mustBeRegistered refuses every command to an enterprise that does not exist.
func (e *Enterprise) mustBeRegistered() *Error {
	if story, gone := e.Removed(); gone {
		return goneError("", "enterprise "+string(e.id), story)
	}
	if !e.registered {
		return &Error{Code: NotFound, Msg: fmt.Sprintf("there is no enterprise %s", e.id)}
	}
	return nil
}

// mustSupportPeering refuses what would add or enable a peer on MiCloud Flex.
func (e *Enterprise) mustSupportPeering(field string) *Error {
	if e.server.Deployment != events.DeploymentMiCloudGCP {
		return nil
	}
	return &Error{Code: Unsupported, Field: field, Msg: "peering is not supported on MiCloud Flex, where this enterprise is hosted"}
}

// livePeer returns the peer that a command acts on, at the revision that its
// author saw.
func (e *Enterprise) livePeer(id events.PeerID, in Input) (*Peer, *Error) {
	if _, err := events.ParsePeerID(string(id)); err != nil {
		return nil, invalid("peer", "%v", err)
	}
	p := e.peers.at(id)
	if p == nil {
		if story, gone := e.peersGone.stories.get(id); gone {
			return nil, goneError("peer", "peer "+string(id), story)
		}
		return nil, &Error{Code: NotFound, Field: "peer", Msg: fmt.Sprintf("there is no peer %s", id)}
	}
	if err := stale(in, "the peer", p.Changed); err != nil {
		return nil, err
	}
	return p, nil
}

// stillTrusted warns of the live entries besides the one given that name host.
func (e *Enterprise) stillTrusted(host string, besides events.TrustedServerID) []Warning {
	if host == "" {
		return nil
	}
	entries, total := e.hosts.others(host, besides, maxWarnings)
	var out []Warning
	for _, id := range entries {
		t, _ := e.TrustedServer(id)
		by := "the trusted server"
		if t.Peer != "" {
			by = "the entry of another peer,"
		}
		out = append(out, Warning{
			Code:          WarnHostStillTrusted,
			Message:       fmt.Sprintf("%s is still trusted by %s %q (%s)", host, by, t.Description, t.Type),
			TrustedServer: id,
			Peer:          t.Peer,
		})
	}
	if more := total - len(entries); more > 0 {
		out = append(out, Warning{
			Code:    WarnHostStillTrusted,
			Message: fmt.Sprintf("%s is still trusted by %d more entries", host, more),
		})
	}
	return out
}
