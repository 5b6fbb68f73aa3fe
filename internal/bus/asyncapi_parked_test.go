package bus

import (
	"testing"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// TestAsyncAPI_parkedCommandsAreDescribed: the headers of one that was parked
// with all there is, and of one of which nothing could be read.
func TestAsyncAPI_parkedCommandsAreDescribed(t *testing.T) {
	nc := testkit.NATS(t)
	o := eventstore.StreamOptions{MaxBytes: 64 << 20}
	if err := eventstore.Ensure(t.Context(), nc, o); err != nil {
		t.Fatal(err)
	}
	if _, err := eventstore.EnsureBus(t.Context(), nc, o); err != nil {
		t.Fatal(err)
	}
	parked, err := eventstore.NewParked(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := testkit.JetStream(t, nc).Stream(t.Context(), eventstore.ParkedStream)
	if err != nil {
		t.Fatal(err)
	}
	doc := theDocument(t)
	schema := compile(t, doc, "/components/messages/"+messageParked+"/headers")
	described := at(doc, "components", "messages", messageParked, "headers", "properties")
	for _, c := range []eventstore.ParkedCommand{
		{
			Tail: "acme.AddPeer@portal+operator", Enterprise: "acme", Command: "AddPeer", CommandID: "c1", Reason: "not_handled", Detail: "it fails",
			Actor: "service portal", OnBehalfOf: "bob", Why: "w", CorrelationID: "o", CausationID: "e", Traceparent: "00-", Source: events.Seq(7), Deliveries: 5,
			Body: []byte("{}"), BodySize: 2,
		},
		{Tail: "?.?", Reason: "unusable_id", Source: 8},
	} {
		seq, err := parked.Park(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		m, err := stream.GetMsg(t.Context(), uint64(seq))
		if err != nil {
			t.Fatal(err)
		}
		header := map[string]any{}
		for name := range m.Header {
			header[name] = m.Header.Get(name)
			if _, ok := described[name]; !ok && name != "Nats-Msg-Id" {
				t.Errorf("the header %s is not described", name)
			}
		}
		if err := schema.Validate(header); err != nil {
			t.Errorf("%v: %v", header, err)
		}
	}
}

// TestAsyncAPI_headersOfCommandsAreDescribed.
func TestAsyncAPI_headersOfCommandsAreDescribed(t *testing.T) {
	schema := compile(t, theDocument(t), "/components/messageTraits/command/headers")
	for id, want := range map[string]bool{"order-4711": true, "A_b": true, "": false, "a.b": false, "*": false, "a b": false, "ä": false} {
		if err := schema.Validate(map[string]any{"Command-Id": id, "Actor": "Zoë", "Reason": "why", "X-Other": "y"}); (err == nil) != want {
			t.Errorf("the id %q: %v", id, err)
		}
	}
	if schema.Validate(map[string]any{"Reason": "why"}) == nil {
		t.Error("a command without an id is valid")
	}
}
