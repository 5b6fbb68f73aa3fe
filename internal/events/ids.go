package events

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

// Seq is a position in the log: the stream sequence of an event. It is the
// clock of the whole system; zero is before the first event.
type Seq uint64

// EnterpriseID names an enterprise, the aggregate and the tenant. It is always
// in lower case: two spellings that differ in case are one enterprise
// (ADR 0003). Make one with ParseEnterpriseID.
type EnterpriseID string

// PeerID names a peer for good, across renames and deletion.
type PeerID string

// TrustedServerID names an entry of the trusted-server list.
type TrustedServerID string

// CommandID is the name a client gave to its command; it is remembered per
// enterprise for CommandMemory.
type CommandID string

// EventID is derived from enterprise, command id and index; see NewEventID.
type EventID string

// CommandMemory is how long a command id is remembered per enterprise,
// accepted or rejected.
const CommandMemory = 7 * 24 * time.Hour

// An IDError says why a text is not an id.
type IDError struct {
	Kind string // "enterprise id", "peer id", …
	Rule string // the rule it breaks, safe to show
}

func (e *IDError) Error() string { return e.Kind + ": " + e.Rule }

// ParseEnterpriseID checks the form of an enterprise id (4–32 characters,
// ASCII letters, digits and dashes) and returns it in lower case.
// The error is an *IDError.
func ParseEnterpriseID(s string) (EnterpriseID, error) {
	const kind = "enterprise id"
	if len(s) < 4 || len(s) > 32 {
		return "", &IDError{kind, "must have 4 to 32 characters"}
	}
	if !only(s, "-") {
		return "", &IDError{kind, "may contain only letters, digits and dashes"}
	}
	return EnterpriseID(strings.ToLower(s)), nil
}

// ParsePeerID checks that s can be the id of a peer and stand as a subject
// token: 1–64 ASCII letters, digits, dashes and underscores.
// The error is an *IDError.
func ParsePeerID(s string) (PeerID, error) {
	return PeerID(s), token("peer id", s, 64)
}

// ParseTrustedServerID checks that s can be the id of a trusted server; the
// form is that of a peer id with room for the prefix of a derived one.
// The error is an *IDError.
func ParseTrustedServerID(s string) (TrustedServerID, error) {
	return TrustedServerID(s), token("trusted server id", s, 80)
}

// ParseCommandID checks a command id that a client chose: 1–128 ASCII letters,
// digits, dashes and underscores. The error is an *IDError.
func ParseCommandID(s string) (CommandID, error) {
	return CommandID(s), token("command id", s, 128)
}

// TrustedServerOfPeer is the id of the trusted-server entry that the peer p
// brings with it: one per peer, derived, never stored.
func TrustedServerOfPeer(p PeerID) TrustedServerID { return TrustedServerID(derivedPrefix + p) }

// PeerOfTrustedServer is the inverse of TrustedServerOfPeer; ok is false for
// the id of a manual entry.
func PeerOfTrustedServer(id TrustedServerID) (p PeerID, ok bool) {
	rest, ok := strings.CutPrefix(string(id), derivedPrefix)
	return PeerID(rest), ok && rest != ""
}

const derivedPrefix = "peer-"

// NewEventID derives the id of the index-th event of a command. The same
// command of the same enterprise always makes the same ids, so a repeat is
// recognisable, and two enterprises never share one. The form is that of a
// UUID of version 8 (RFC 9562, section 5.8).
func NewEventID(ent EnterpriseID, cmd CommandID, index int) EventID {
	h := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", ent, cmd, index))
	u := h[:16]
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return EventID(fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16]))
}

func token(kind, s string, limit int) error {
	if s == "" || len(s) > limit {
		return &IDError{kind, fmt.Sprintf("must have 1 to %d characters", limit)}
	}
	if !only(s, "-_") {
		return &IDError{kind, "may contain only letters, digits, dashes and underscores"}
	}
	return nil
}

// only reports whether s consists of ASCII letters, digits and the bytes of extra.
func only(s, extra string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte(extra, c) >= 0 {
			continue
		}
		return false
	}
	return true
}
