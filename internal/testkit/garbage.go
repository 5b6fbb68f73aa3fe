package testkit

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Garbage is a message for the bus that is no good command: what is published on
// peering.commands.<Tail>, with a block of headers that a library may not make.
type Garbage struct {
	Kind string
	Tail string
	// Header is the block as it is on the wire, for HPUB.
	Header string
	Body   string

	// What has to become of it.
	Outcome bool   // there is one of its enterprise and ID
	Parked  string // the reason, empty: it is not
	ID      string
}

// GarbageKinds is how many kinds of garbage there are; the n-th message is of
// the kind n modulo that.
const GarbageKinds = 16

// NewGarbage returns the n-th message of an enterprise that exists, in which a
// command with the id used took effect. Two of one n are equal in all that counts.
func NewGarbage(n int, enterprise, used string) Garbage {
	id := fmt.Sprint("garbage-", n)
	g := Garbage{Tail: enterprise + ".AddPeer", ID: id, Header: block("Command-Id: " + id), Outcome: true}
	undecodable := func(kind, body string) {
		g.Kind, g.Body, g.Parked = kind, body, "undecodable"
	}
	nameless := func(kind, header, reason string) {
		g.Kind, g.Header, g.Parked, g.Outcome = kind, header, reason, false
		g.Body = `{"type":"external","description":"Berlin"}`
	}
	switch n % GarbageKinds {
	case 0:
		undecodable("random bytes", random(n, 200))
	case 1:
		undecodable("wrong JSON", `{"type":"external",`)
	case 2:
		undecodable("unknown field", `{"type":"external","description":"Berlin","colour":"red"}`)
	case 3:
		undecodable("wrong type", `{"type":1,"description":[]}`)
	case 4:
		undecodable("deep", strings.Repeat("[", 10_000))
	case 5:
		undecodable("huge", random(n, 1<<10<<(n/GarbageKinds%8)))
	case 6:
		g.Kind, g.Tail, g.Body = "unknown name", enterprise+".FlyToTheMoon", "{}"
	case 7:
		g.Kind, g.Tail, g.Body = "unknown enterprise", fmt.Sprintf("nobody-%d.AddPeer", n%1000), `{"type":"external","description":"Berlin"}`
	case 8:
		nameless("id with dots and wildcards", block("Command-Id: a.*.>"), "unusable_id")
	case 9:
		nameless("no id", block("X: y"), "unusable_id")
	case 10:
		nameless("id of random bytes", block("Command-Id: "+strings.NewReplacer("\r", "", "\n", "").Replace(random(n, 40))), "unusable_id")
	case 11:
		nameless("broken headers", "no headers at all"+random(n, 20), "undecodable")
	case 12:
		nameless("used id", block("Command-Id: "+used), "id_reused")
	case 13:
		nameless("unusable enterprise", block("Command-Id: "+id), "unusable_enterprise")
		g.Tail = "x.AddPeer"
	case 14:
		undecodable("repeated headers", "")
		g.Header = block(strings.Repeat("Command-Id: "+id+"\r\n", 100) + "Reason: " + strings.Repeat("x", 1<<10<<(n/GarbageKinds%6)))
	case 15:
		undecodable("words to the server", "")
		g.Header = block("Status: 100\r\nDescription: Idle Heartbeat\r\nNats-Consumer-Stalled: x\r\nNats-Msg-Size: 7\r\nCommand-Id: " + id)
	}
	return g
}

func block(lines string) string { return "NATS/1.0\r\n" + lines + "\r\n\r\n" }

func random(n, size int) string {
	r := rand.New(rand.NewPCG(uint64(n), 1)) //nolint:gosec // the same each time
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	b[0] = '\xff' // never JSON, nor an id
	return string(b)
}
