package eventstore_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/eventstore/storetest"
	"github.com/peering/peering/internal/testkit"
)

// The end of the log as it was when Load began is what Load promises. When it
// is not there any more, the caller must not take what came for all of it.
func TestLoad_endThatVanishesMeanwhileIsSaid(t *testing.T) {
	for name, tc := range map[string]struct{ events, vanishAt int }{
		"among the first, one by one": {2, 1},
		"in a long tail":              {20, 16},
	} {
		t.Run(name, func(t *testing.T) {
			nc := testkit.NATS(t)
			stream, err := testkit.JetStream(t, nc).CreateStream(t.Context(), jetstream.StreamConfig{
				Name: events.Stream, Subjects: []string{events.FilterConfig}, // nothing is denied
			})
			if err != nil {
				t.Fatal(err)
			}
			s := store(t, nc)
			end := events.Seq(0)
			for i := range tc.events {
				end = storetest.Append(t, s, end, storetest.Event(storetest.Ent, fmt.Sprint("c", i)))
			}
			calls := 0
			last, err := s.Load(t.Context(), storetest.Subject, 0, func(events.Recorded) error {
				if calls++; calls != tc.vanishAt {
					return nil
				}
				if err := stream.DeleteMsg(t.Context(), uint64(end)); err != nil {
					return err
				}
				storetest.Append(t, s, end-1, storetest.Event(storetest.Ent, "another"))
				return nil
			})
			if !errors.Is(err, eventstore.ErrUnavailable) || last != end-1 || calls != tc.events-1 {
				t.Errorf("got %d, %v after %d events; want ErrUnavailable after %d", last, err, calls, tc.events-1)
			}
		})
	}
}
