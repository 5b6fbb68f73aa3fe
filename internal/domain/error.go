package domain

import (
	"time"

	"github.com/peering/peering/internal/events"
)

// Code is the stable name of a kind of refusal. Adapters map it to a status.
type Code string

// The codes. Malformed is used by decoders, the others by Decide.
const (
	Malformed   Code = "malformed"
	Invalid     Code = "invalid"
	NotFound    Code = "not_found"
	Exists      Code = "exists"
	Gone        Code = "gone"
	Unsupported Code = "unsupported"
	Forbidden   Code = "forbidden"
	Stale       Code = "stale"
	FollowsPeer Code = "follows_peer"
	IDReused    Code = "id_reused"
)

// Error is a refusal: which rule, which field, in words for a person. Nothing
// was changed. It is a value that can be stored and sent (outcomes keep it).
type Error struct {
	Code  Code   `json:"code"`
	Field string `json:"field,omitempty"` // as in the JSON of the command; may be empty
	Msg   string `json:"message"`         // safe to show to a user

	Peer  events.PeerID `json:"peer,omitempty"`  // FollowsPeer: where to go instead
	Stale *StaleInfo    `json:"stale,omitempty"` // with Stale
	Gone  *Removal      `json:"gone,omitempty"`  // with Gone

	// Results are those of every operation of a ChangePeers that was refused
	// because of its operations.
	Results []OperationResult `json:"results,omitempty"`
}

func (e *Error) Error() string {
	if e.Field == "" {
		return string(e.Code) + ": " + e.Msg
	}
	return string(e.Code) + ": " + e.Field + ": " + e.Msg
}

// StaleInfo says what a resource is now, to whoever edited an older state of it.
type StaleInfo struct {
	Current   events.Seq `json:"current"`
	ChangedBy string     `json:"changed_by"`
	ChangedAt time.Time  `json:"changed_at"`
}

// Removal is the story of something that is no longer there.
type Removal struct {
	Seq    events.Seq `json:"sequence"`
	By     string     `json:"by"`
	At     time.Time  `json:"at"`
	Reason string     `json:"reason,omitempty"`
}
