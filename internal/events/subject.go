package events

import "strings"

// Subject is the subject of one aggregate's part of the log. There are two
// kinds, both literal; wildcards never appear in one.
//
//	peering.events.<enterprise>.config          its configuration
//	peering.events.<enterprise>.status.<peer>   what a prober saw of one peer
type Subject string

// Stream and its subjects. A stream of events takes exactly these two filters.
const (
	Stream        = "PEERING_EVENTS"
	subjectRoot   = "peering.events."
	FilterConfig  = subjectRoot + "*.config"
	FilterStatus  = subjectRoot + "*.status.*"
	configElement = "config"
	statusElement = "status"
)

// ConfigSubject is the subject of an enterprise's configuration.
func ConfigSubject(ent EnterpriseID) Subject {
	return Subject(subjectRoot + string(ent) + "." + configElement)
}

// StatusSubject is the subject of one peer's status.
func StatusSubject(ent EnterpriseID, p PeerID) Subject {
	return Subject(subjectRoot + string(ent) + "." + statusElement + "." + string(p))
}

// EnterpriseFilter matches everything that happened in one enterprise.
func EnterpriseFilter(ent EnterpriseID) string { return subjectRoot + string(ent) + ".>" }

// ParseSubject takes a subject of the log apart. peer is empty on a
// configuration subject. ok is false when the subject is not one that
// ConfigSubject or StatusSubject could have built; ent is then whatever stands
// in the place of the enterprise, so that trouble can be charged to it.
func ParseSubject(s string) (ent EnterpriseID, peer PeerID, ok bool) {
	rest, found := strings.CutPrefix(s, subjectRoot)
	if !found {
		return "", "", false
	}
	token, rest, _ := strings.Cut(rest, ".")
	ent = EnterpriseID(token)
	if id, err := ParseEnterpriseID(token); err != nil || id != ent {
		return ent, "", false
	}
	if rest == configElement {
		return ent, "", true
	}
	if token, ok = strings.CutPrefix(rest, statusElement+"."); !ok {
		return ent, "", false
	}
	peer, err := ParsePeerID(token) // a further dot is refused here
	return ent, peer, err == nil
}
