package eventstore_test

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/embednats"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/eventstore/storetest"
	"github.com/peering/peering/internal/testkit"
)

// config reads the settings of a stream.
func config(t *testing.T, nc *nats.Conn, name string) jetstream.StreamConfig {
	t.Helper()
	s, err := testkit.JetStream(t, nc).Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().Config
}

func TestEnsure_eachWrongSettingIsNamed(t *testing.T) {
	nc := testkit.NATS(t)
	js := testkit.JetStream(t, nc)
	emptied(t, nc, 1)
	small := eventstore.StreamOptions{MaxBytes: 16 << 20}
	right := config(t, nc, events.Stream)
	right.MaxBytes = small.MaxBytes
	for want, change := range map[string]func(*jetstream.StreamConfig){
		"subjects is peering.events.>, must be peering.events.*.config, peering.events.*.status.*": func(c *jetstream.StreamConfig) { c.Subjects = []string{"peering.events.>"} },
		"storage is Memory, must be File":              func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		"retention is Interest, must be Limits":        func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy },
		"discard is DiscardOld, must be DiscardNew":    func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld },
		"max_age is 24h0m0s, must be 0":                func(c *jetstream.StreamConfig) { c.MaxAge = 24 * time.Hour },
		"max_msgs is 10, must be unlimited":            func(c *jetstream.StreamConfig) { c.MaxMsgs = 10 },
		"max_msgs_per_subject is 5, must be unlimited": func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 5 },
		"max_msg_size is 1000, must be unlimited":      func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1000 },
		"max_consumers is 3, must be unlimited":        func(c *jetstream.StreamConfig) { c.MaxConsumers = 3 },
		"deny_delete is false, must be true":           func(c *jetstream.StreamConfig) { c.DenyDelete = false },
		"deny_purge is false, must be true":            func(c *jetstream.StreamConfig) { c.DenyPurge = false },
		"allow_atomic is false, must be true":          func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false },
		"allow_batched is true, must be false":         func(c *jetstream.StreamConfig) { c.AllowBatchPublish = true },
		"allow_rollup_hdrs is true, must be false":     func(c *jetstream.StreamConfig) { c.DenyPurge, c.AllowRollup = false, true },
		"allow_direct is true, must be false":          func(c *jetstream.StreamConfig) { c.AllowDirect = true },
		"allow_msg_ttl is true, must be false":         func(c *jetstream.StreamConfig) { c.AllowMsgTTL = true },
		"allow_msg_schedules is true, must be false": func(c *jetstream.StreamConfig) {
			c.Discard, c.DenyPurge, c.AllowRollup, c.AllowMsgSchedules = jetstream.DiscardOld, false, true, true
		},
		"allow_msg_counter is true, must be false": func(c *jetstream.StreamConfig) { c.Discard, c.AllowMsgCounter = jetstream.DiscardOld, true },
		"no_ack is true, must be false":            func(c *jetstream.StreamConfig) { c.AllowAtomicPublish, c.NoAck = false, true },
		"subject_transform is peering.events.*.config into x.{{wildcard(1)}}, must be not set": func(c *jetstream.StreamConfig) {
			c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "peering.events.*.config", Destination: "x.{{wildcard(1)}}"}
		},
		"republish is set, must be not set": func(c *jetstream.StreamConfig) {
			c.RePublish = &jetstream.RePublish{Source: ">", Destination: "copy.>"}
		},
		"sources is set, must be not set": func(c *jetstream.StreamConfig) {
			c.Sources = []*jetstream.StreamSource{{Name: eventstore.HealthStream}}
		},
		"max_bytes is unlimited, must be set":                          func(c *jetstream.StreamConfig) { c.MaxBytes = -1 },
		"format is missing from the metadata, must be 1":               func(c *jetstream.StreamConfig) { c.Metadata = nil },
		"format is 2, of a newer program, must be 1, which is what":    func(c *jetstream.StreamConfig) { c.Metadata = map[string]string{"peering.format": "2"} },
		`format is "old", must be 1, which is what this program reads`: func(c *jetstream.StreamConfig) { c.Metadata = map[string]string{"peering.format": "old"} },
	} {
		wrong := right
		change(&wrong)
		if err := js.DeleteStream(t.Context(), events.Stream); err != nil {
			t.Fatal(err)
		}
		// The server may still be at removing the files of the one before.
		const removing = 10049
		var refused *jetstream.APIError
		var err error
		testkit.Eventually(t, "the stream with another setting", func() bool {
			_, err = js.CreateStream(t.Context(), wrong)
			return !errors.As(err, &refused) || refused.ErrorCode != removing
		})
		if err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		err = eventstore.Ensure(t.Context(), nc, small)
		var settings *eventstore.SettingsError
		if !errors.As(err, &settings) || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "stream PEERING_EVENTS: ") {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}

func TestEnsure_allThatIsWrongIsSaidAtOnce(t *testing.T) {
	nc := testkit.NATS(t)
	js := testkit.JetStream(t, nc)
	emptied(t, nc, 1)
	for _, name := range []string{events.Stream, eventstore.OutcomesStream} {
		c := config(t, nc, name)
		c.MaxAge, c.AllowDirect = time.Hour, true
		if _, err := js.UpdateStream(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	err := eventstore.Ensure(t.Context(), nc, eventstore.StreamOptions{MaxBytes: testLimit, Replicas: 3})
	const want = "stream PEERING_EVENTS: max_age is 1h0m0s, must be 0; allow_direct is true, must be false; " +
		"num_replicas is 1, must be at least 3 (run: nats stream edit PEERING_EVENTS --replicas 3). " +
		"stream PEERING_OUTCOMES: max_age is 1h0m0s, must be 168h0m0s; allow_direct is true, must be false; " +
		"num_replicas is 1, must be at least 3 (run: nats stream edit PEERING_OUTCOMES --replicas 3). " +
		"stream PEERING_SNAPSHOTS: num_replicas is 1, must be at least 3 (run: nats stream edit PEERING_SNAPSHOTS --replicas 3). " +
		"stream PEERING_HEALTH: num_replicas is 1, must be at least 3 (run: nats stream edit PEERING_HEALTH --replicas 3)"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestEnsure_byManyAtOnceAndAgain(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				err := eventstore.ErrUnavailable
				// A cluster that is at making a stream may leave another who asks for
				// the same one without an answer.
				for tries := 0; tries < 5 && errors.Is(err, eventstore.ErrUnavailable); tries++ {
					err = eventstore.Ensure(t.Context(), top.Conn, eventstore.StreamOptions{Replicas: top.Replicas, MaxBytes: testLimit})
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := config(t, top.Conn, events.Stream).Replicas; got != top.Replicas {
			t.Errorf("replicas: got %d, want %d", got, top.Replicas)
		}
		if err := eventstore.Ensure(t.Context(), top.Conn, eventstore.StreamOptions{Replicas: 1, MaxBytes: testLimit}); err != nil {
			t.Errorf("more replicas than asked for: %v", err)
		}
	})
}

func TestEnsure_raisesLimitsAndLowersNone(t *testing.T) {
	nc := testkit.NATS(t)
	var out strings.Builder
	log := slog.New(slog.NewTextHandler(&out, nil))
	for _, step := range []struct{ asked, want int64 }{{64 << 20, 64 << 20}, {128 << 20, 128 << 20}, {64 << 20, 128 << 20}} {
		if err := eventstore.Ensure(t.Context(), nc, eventstore.StreamOptions{MaxBytes: step.asked, Logger: log}); err != nil {
			t.Fatal(err)
		}
		if got := config(t, nc, events.Stream).MaxBytes; got != step.want {
			t.Errorf("asked for %d: got %d, want %d", step.asked, got, step.want)
		}
	}
	for _, want := range []string{"stream is there", "limit of the stream raised", "limit of the stream is kept"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, out.String())
		}
	}
}

func TestEnsure_saysWhenTheServerHasNoRoom(t *testing.T) {
	srv := testkit.Server(t, func(o *embednats.Options) { o.MaxStore = 100 << 20 })
	nc := testkit.Connect(t, "nats://"+srv.Addr())
	err := eventstore.Ensure(t.Context(), nc, eventstore.StreamOptions{MaxBytes: 200 << 20})
	var settings *eventstore.SettingsError
	if !errors.As(err, &settings) || !strings.Contains(err.Error(), "stream PEERING_EVENTS: max_bytes is more than the server's storage limit leaves") {
		t.Errorf("got %v, want it to name the limit", err)
	}
	if got, most := (eventstore.StreamOptions{}).Reserved(), int64(embednats.DefaultMaxStore); got > most {
		t.Errorf("the defaults do not fit together: %d bytes of %d", got, most)
	}
}

func TestEnsure_withoutAServerIsWorthTryingAgain(t *testing.T) {
	srv := testkit.Server(t)
	nc := testkit.Connect(t, "nats://"+srv.Addr())
	srv.Shutdown()
	err := eventstore.Ensure(t.Context(), nc, eventstore.StreamOptions{})
	var settings *eventstore.SettingsError
	if errors.As(err, &settings) || !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

func TestAppend_aFullLogSaysSoAndHealsOnline(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		small := eventstore.StreamOptions{Replicas: top.Replicas, MaxBytes: 256 << 10}
		if err := eventstore.Ensure(t.Context(), top.Conn, small); err != nil {
			t.Fatal(err)
		}
		s := store(t, top.Conn)
		var want []events.Envelope
		after := events.Seq(0)
		var start time.Time
		for i := 0; ; i++ {
			e := storetest.Event(storetest.Ent, "c")
			e.Index, e.Count = i%1000, 1000
			e.Event = events.EnterpriseDescribed{To: strings.Repeat("x", 10<<10)}
			start = time.Now()
			seq, err := s.Append(t.Context(), storetest.Subject, after, e)
			if errors.Is(err, eventstore.ErrFull) {
				break
			}
			if err != nil || i > 1000 {
				t.Fatalf("append %d: %v", i, err)
			}
			after, want = seq, append(want, e)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %s to say that the log is full", took)
		}
		if _, err := s.Append(t.Context(), storetest.Subject, after, big(8)...); !errors.Is(err, eventstore.ErrFull) {
			t.Errorf("a batch: got %v, want ErrFull", err)
		}
		h, err := eventstore.NewHealth(top.Conn)
		if err != nil {
			t.Fatal(err)
		}
		if used, err := h.UsedRatio(t.Context()); err != nil || used < 0.9 || used > 1 {
			t.Errorf("used: got %f, %v, want nearly 1", used, err)
		}
		storetest.Holds(t, s, storetest.Subject, want...)

		small.MaxBytes = 1 << 20
		if err := eventstore.Ensure(t.Context(), top.Conn, small); err != nil {
			t.Fatal(err)
		}
		storetest.Append(t, s, after, big(8)...)
		storetest.Holds(t, s, storetest.Subject, append(want, big(8)...)...)
	})
}

// big returns the events of a command, 16 KiB each.
func big(n int) []events.Envelope {
	evs := storetest.Events(storetest.Ent, "big", n)
	for i := range evs {
		evs[i].Event = events.EnterpriseDescribed{To: strings.Repeat("y", 16<<10)}
	}
	return evs
}

// TestEnsure_streamsWithReplicasAreNotCompressed: one that is, from an earlier
// version, is not any more.
func TestEnsure_streamsWithReplicasAreNotCompressed(t *testing.T) {
	nc := testkit.Connect(t, testkit.Cluster(t).URL())
	js := testkit.JetStream(t, nc)
	o := eventstore.StreamOptions{MaxBytes: testLimit, Replicas: 3}
	testkit.Eventually(t, "the streams", func() bool { return eventstore.Ensure(t.Context(), nc, o) == nil })
	c := config(t, nc, events.Stream)
	if c.Compression != jetstream.NoCompression {
		t.Errorf("the log is compressed: %s", c.Compression)
	}
	c.Compression = jetstream.S2Compression
	if _, err := js.UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := eventstore.Ensure(t.Context(), nc, o); err != nil {
		t.Fatal(err)
	}
	if c := config(t, nc, events.Stream).Compression; c != jetstream.NoCompression {
		t.Errorf("the log is still compressed: %s", c)
	}
}
