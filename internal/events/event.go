package events

import "time"

// Type is the stored name of an event. It is a constant, never taken from the
// Go type: renaming a struct must not touch history.
type Type string

// Event is one fact, in the past tense, complete: a reader needs no lookup.
type Event interface {
	Type() Type
}

// PeerEvent is an event about one peer.
type PeerEvent interface {
	Event
	PeerID() PeerID
}

// TrustedServerEvent is an event about one entry of the trusted-server list.
type TrustedServerEvent interface {
	Event
	TrustedServerID() TrustedServerID
}

// Envelope is an event with all that is known about how it came to be.
// Its fields become the headers of the message; see Encode.
type Envelope struct {
	ID         EventID
	Enterprise EnterpriseID
	Time       time.Time // when the command was accepted; UTC, microseconds

	CommandID CommandID
	// CommandHash is the hash of the command's body when the client chose the
	// command's id, and empty when the id was made here: only what a client can
	// repeat has to be remembered.
	CommandHash string
	// Index and Count place the event among those of its command: 0 of 1, or
	// 0..n-1 of n. A command's events are stored together or not at all, and
	// are shown together.
	Index, Count int

	CorrelationID string
	CausationID   string
	Actor         string // who connected
	OnBehalfOf    string // whom the client says it acts for
	Reason        string
	Traceparent   string

	Event Event
}

// Recorded is an event with its place in the log.
type Recorded struct {
	Seq     Seq
	Subject Subject
	Envelope

	// Version and Data are how the event is stored: the version of its JSON and
	// the JSON itself, byte for byte. They are empty for one that was not read
	// from the log.
	Version int
	Data    []byte
}

// Message is an event as it lies in the log, before decoding.
type Message struct {
	Seq     Seq
	Subject string
	Header  map[string][]string
	Data    []byte
	Stored  time.Time // when the server stored it; for operators, never for a fold
}
