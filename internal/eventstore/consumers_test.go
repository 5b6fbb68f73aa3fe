package eventstore_test

import (
	"errors"
	"strconv"
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

var ofTests = eventstore.StreamOptions{MaxBytes: testLimit}

// partitioned gives the stream of commands another number of partitions, as an
// operator does, and has the bus see it.
func partitioned(t testing.TB, nc *nats.Conn, o eventstore.StreamOptions, into string) error {
	t.Helper()
	js := testkit.JetStream(t, nc)
	s, err := js.Stream(t.Context(), eventstore.CommandsStream)
	if err != nil {
		t.Fatal(err)
	}
	c := s.CachedInfo().Config
	c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "peering.commands.*.*", Destination: into}
	if into == "" {
		c.SubjectTransform = nil
	}
	if _, err := js.UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	_, err = eventstore.EnsureBus(t.Context(), nc, o)
	return err
}

func into(n string) string {
	return "peering.commands.{{partition(" + n + ",1)}}.{{wildcard(1)}}.{{wildcard(2)}}"
}

// consumerNames are the consumers of a stream, those of readings left out.
func consumerNames(t testing.TB, nc *nats.Conn, stream string) map[string]bool {
	t.Helper()
	s, err := testkit.JetStream(t, nc).Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for name := range s.ConsumerNames(t.Context()).Name() {
		if !strings.HasPrefix(name, "r-") {
			names[name] = true
		}
	}
	return names
}

func TestEnsureBus_byManyAtOnceAndAgain(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		o := eventstore.StreamOptions{Replicas: top.Replicas, MaxBytes: testLimit}
		testkit.Eventually(t, "the log", func() bool { return eventstore.Ensure(t.Context(), top.Conn, o) == nil })
		var wg sync.WaitGroup
		for range 4 {
			nc := testkit.Connect(t, top.URL)
			wg.Go(func() {
				err := eventstore.ErrUnavailable
				var bus eventstore.Bus
				for tries := 0; tries < 5 && errors.Is(err, eventstore.ErrUnavailable); tries++ {
					bus, err = eventstore.EnsureBus(t.Context(), nc, o)
				}
				if err != nil || bus.Partitions != eventstore.Partitions {
					t.Errorf("got %+v, %v", bus, err)
				}
			})
		}
		wg.Wait()
		start := time.Now()
		if _, err := eventstore.EnsureBus(t.Context(), top.Conn, o); err != nil {
			t.Errorf("again: %v", err)
		}
		t.Logf("when all is there it takes %s", time.Since(start))
		if got := len(consumerNames(t, top.Conn, eventstore.CommandsStream)); got != eventstore.Partitions {
			t.Errorf("got %d consumers, want %d", got, eventstore.Partitions)
		}
		if got := config(t, top.Conn, eventstore.ParkedStream).Replicas; got != top.Replicas {
			t.Errorf("replicas: got %d, want %d", got, top.Replicas)
		}
	})
}

func TestEnsureBus_theStreamSaysHowManyPartitions(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		commands, _ := busOf(t, top)
		o := eventstore.StreamOptions{Replicas: top.Replicas, MaxBytes: testLimit}
		if err := partitioned(t, top.Conn, o, into("20")); err != nil {
			t.Fatal(err)
		}
		if got := consumerNames(t, top.Conn, eventstore.CommandsStream); len(got) != 20 || !got["commands-00"] || !got["commands-19"] {
			t.Errorf("got %v, want those of 20 partitions", got)
		}
		for i := range 40 {
			if _, err := commands.Publish(t.Context(), "ent"+string(rune('a'+i%26))+".AddPeer", nats.Header{"Command-Id": {"c"}}, []byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
		}
		for _, known := range []int{16, 20} { // who has not yet seen that there are more
			if _, ok, err := commands.Stray(t.Context(), known); ok || err != nil {
				t.Errorf("a stray among the right ones: %v, %v", ok, err)
			}
		}
		if err := partitioned(t, top.Conn, o, into("2")); err != nil {
			t.Fatal(err)
		}
		if got := consumerNames(t, top.Conn, eventstore.CommandsStream); len(got) != 2 {
			t.Errorf("got %v, want those of 2 partitions", got)
		}
		strays := strays(t, commands, 2)
		left, err := commands.Pending(t.Context())
		if err != nil || len(strays) == 0 || uint64(len(strays))+left != 40 {
			t.Errorf("%d strays and %d left, %v; want 40 together", len(strays), left, err)
		}
		for _, s := range strays {
			if !strings.HasPrefix(s.Tail, "ent") || !strings.HasSuffix(s.Tail, ".AddPeer") || s.Header.Get("Command-Id") != "c" || s.Time.IsZero() || len(s.Data) != 1 {
				t.Errorf("got %+v", s)
			}
		}
		delivered := subscribed(t, top.Conn, 2)
		for range left {
			if err := next(t, delivered).AckSync(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// strays takes all strays out of the queue.
func strays(t testing.TB, commands *eventstore.Commands, partitions int) []eventstore.Stray {
	t.Helper()
	var list []eventstore.Stray
	for {
		s, ok, err := commands.Stray(t.Context(), partitions)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return list
		}
		list = append(list, s)
		for range 2 { // once more changes nothing
			if err := commands.Remove(t.Context(), s.Seq); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestStray_whateverNoPartitionTakes(t *testing.T) {
	nc := testkit.Connect(t, "nats://"+testkit.Server(t).Addr())
	commands, _ := busOf(t, testkit.Topology{Replicas: 1, Conn: nc})
	for _, transform := range []string{"", "peering.commands.x.{{wildcard(1)}}.{{wildcard(2)}}", into("300"), into("256")} {
		if err := partitioned(t, nc, ofTests, transform); (err == nil) != (transform == into("256")) {
			t.Fatalf("%q: got %v", transform, err)
		}
		for _, header := range hostileHeaders() {
			hpub(t, nc, "peering.commands.acme.AddPeer", header, "body")
		}
	}
	if err := partitioned(t, nc, ofTests, into("1")); err != nil {
		t.Fatal(err)
	}
	hpub(t, nc, "peering.commands.acme.Mine", "", "body")
	got := strays(t, commands, 1)
	if want := 4 * len(hostileHeaders()); len(got) != want {
		t.Errorf("got %d strays, want %d", len(got), want)
	}
	for _, s := range got {
		if !strings.HasSuffix(s.Tail, "acme.AddPeer") || string(s.Data) != "body" {
			t.Errorf("got %+v", s)
		}
	}
	if n, err := commands.Pending(t.Context()); err != nil || n != 1 {
		t.Errorf("got %d, %v, want the one that has a partition", n, err)
	}
}

func TestEnsureBus_eachWrongSettingIsNamed(t *testing.T) {
	nc := testkit.NATS(t)
	busOf(t, testkit.Topology{Replicas: 1, Conn: nc})
	js := testkit.JetStream(t, nc)
	const ours = "peering.commands.*.* into peering.commands.{{partition(1 to 256,1)}}.{{wildcard(1)}}.{{wildcard(2)}}"
	type change struct {
		stream, want string
		set          func(*jetstream.StreamConfig)
	}
	transformed := func(is, destination string) change {
		return change{eventstore.CommandsStream, "subject_transform is " + is + ", must be " + ours, func(c *jetstream.StreamConfig) {
			c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "peering.commands.*.*", Destination: destination}
		}}
	}
	for _, tt := range []change{
		{eventstore.CommandsStream, "subject_transform is not set, must be " + ours, func(c *jetstream.StreamConfig) { c.SubjectTransform = nil }},
		transformed("peering.commands.*.* into "+into("257"), into("257")),
		transformed("peering.commands.*.* into peering.commands.{{partition(16,2)}}.{{wildcard(1)}}.{{wildcard(2)}}", "peering.commands.{{partition(16,2)}}.{{wildcard(1)}}.{{wildcard(2)}}"),
		{eventstore.CommandsStream, "duplicate_window is 2m0s, must be 100ms", func(c *jetstream.StreamConfig) { c.Duplicates = 2 * time.Minute }},
		{eventstore.CommandsStream, "discard is DiscardOld, must be DiscardNew", func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld }},
		{eventstore.CommandsStream, "allow_direct is true, must be false", func(c *jetstream.StreamConfig) { c.AllowDirect = true }},
		{eventstore.ParkedStream, "duplicate_window is 1s, must be 2m0s", func(c *jetstream.StreamConfig) { c.Duplicates = time.Second }},
		{eventstore.ParkedStream, "max_age is 1h0m0s, must be 0", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }},
		{eventstore.ParkedStream, "subjects is peering.parked.*.*, must be peering.decided.*.*, peering.parked.*.*, peering.unsettled.*", func(c *jetstream.StreamConfig) { c.Subjects = []string{"peering.parked.*.*"} }},
	} {
		right := config(t, nc, tt.stream)
		wrong := right
		tt.set(&wrong)
		if _, err := js.UpdateStream(t.Context(), wrong); err != nil {
			t.Fatalf("%s: %v", tt.want, err)
		}
		refuses(t, nc, "stream "+tt.stream+": "+tt.want)
		if _, err := js.UpdateStream(t.Context(), right); err != nil {
			t.Fatal(err)
		}
	}
	for stream, set := range map[string]func(*jetstream.StreamConfig){
		eventstore.CommandsStream: func(c *jetstream.StreamConfig) { c.Retention = jetstream.LimitsPolicy },
		eventstore.ParkedStream:   func(c *jetstream.StreamConfig) { c.AllowMsgTTL = false },
	} {
		c := config(t, nc, stream)
		if err := js.DeleteStream(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
		set(&c)
		testkit.Eventually(t, "the stream", func() bool { _, err := js.CreateStream(t.Context(), c); return err == nil })
	}
	refuses(t, nc, "stream PEERING_COMMANDS: retention is Limits, must be WorkQueue. stream PEERING_PARKED: allow_msg_ttl is false, must be true")
}

func refuses(t testing.TB, nc *nats.Conn, want string) {
	t.Helper()
	_, err := eventstore.EnsureBus(t.Context(), nc, ofTests)
	var settings *eventstore.SettingsError
	if !errors.As(err, &settings) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestEnsureBus_wrongConsumersAreNamed(t *testing.T) {
	nc := testkit.NATS(t)
	busOf(t, testkit.Topology{Replicas: 1, Conn: nc})
	js := testkit.JetStream(t, nc)
	again := func(stream, name string, set func(*jetstream.ConsumerConfig)) {
		t.Helper()
		old, err := js.PushConsumer(t.Context(), stream, name)
		if err != nil {
			t.Fatal(err)
		}
		c := old.CachedInfo().Config
		if err := js.DeleteConsumer(t.Context(), stream, name); err != nil {
			t.Fatal(err)
		}
		set(&c)
		if _, err := js.CreatePushConsumer(t.Context(), stream, c); err != nil {
			t.Fatal(err)
		}
	}
	const remedy = " (run: nats consumer rm PEERING_COMMANDS commands-03; it is made again and no message is lost)"
	for want, set := range map[string]func(*jetstream.ConsumerConfig){
		`deliver_subject is "other", must be "peering.deliver.commands.3"`:                func(c *jetstream.ConsumerConfig) { c.DeliverSubject = "other" },
		`deliver_group is "", must be "api"`:                                              func(c *jetstream.ConsumerConfig) { c.DeliverGroup = "" },
		`filter_subject is "peering.commands.3.acme.*", must be "peering.commands.3.*.*"`: func(c *jetstream.ConsumerConfig) { c.FilterSubject = "peering.commands.3.acme.*" },
		`ack_wait is 30s, must be 11s`:                                                    func(c *jetstream.ConsumerConfig) { c.AckWait = 30 * time.Second },
		`max_ack_pending is 2, must be 1`:                                                 func(c *jetstream.ConsumerConfig) { c.MaxAckPending = 2 },
		`max_deliver is 5, must be unlimited`:                                             func(c *jetstream.ConsumerConfig) { c.MaxDeliver = 5 },
		`headers_only is true, must be false`:                                             func(c *jetstream.ConsumerConfig) { c.HeadersOnly = true },
		`inactive_threshold is 1h0m0s, must be 0`:                                         func(c *jetstream.ConsumerConfig) { c.InactiveThreshold = time.Hour },
	} {
		again(eventstore.CommandsStream, "commands-03", set)
		refuses(t, nc, "stream PEERING_COMMANDS: consumer commands-03: "+want+remedy)
		if err := js.DeleteConsumer(t.Context(), eventstore.CommandsStream, "commands-03"); err != nil {
			t.Fatal(err)
		}
		if _, err := eventstore.EnsureBus(t.Context(), nc, ofTests); err != nil {
			t.Errorf("after the remedy: %v", err)
		}
	}
	again(events.Stream, eventstore.ReactionsConsumer, func(c *jetstream.ConsumerConfig) { c.AckPolicy = jetstream.AckAllPolicy })
	refuses(t, nc, "stream PEERING_EVENTS: consumer reactions: ack_policy is AckAll, must be AckExplicit (run: nats consumer rm PEERING_EVENTS reactions; it is made again and begins after what was settled)")
	again(events.Stream, eventstore.ReactionsConsumer, func(c *jetstream.ConsumerConfig) { c.AckPolicy = jetstream.AckExplicitPolicy })

	if err := js.DeleteConsumer(t.Context(), eventstore.CommandsStream, "commands-05"); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateConsumer(t.Context(), eventstore.CommandsStream, jetstream.ConsumerConfig{Durable: "mine", FilterSubject: "peering.commands.5.>"}); err != nil {
		t.Fatal(err)
	}
	refuses(t, nc, "stream PEERING_COMMANDS: consumer commands-05 is kept out by another one that takes the same messages, must be the only one (run: nats consumer report PEERING_COMMANDS")
}

func TestEnsureBus_withoutALogAndAfterAnotherOne(t *testing.T) {
	nc := testkit.NATS(t)
	if _, err := eventstore.EnsureBus(t.Context(), nc, ofTests); !errors.Is(err, eventstore.ErrNoStream) {
		t.Errorf("without a log: got %v, want ErrNoStream", err)
	}
	emptied(t, nc, 1)
	storetest.Append(t, store(t, nc), 0, storetest.Event(storetest.Ent, "before"))
	if _, err := eventstore.EnsureBus(t.Context(), nc, ofTests); err != nil {
		t.Fatal(err)
	}
	delivered := make(chan *nats.Msg, 16)
	if _, err := nc.ChanQueueSubscribe(eventstore.ReactionDelivery, eventstore.ReactionGroup, delivered); err != nil {
		t.Fatal(err)
	}
	storetest.Append(t, store(t, nc), 1, storetest.Event(storetest.Ent, "first"))
	if m := next(t, delivered); !strings.HasPrefix(m.Reply, "$JS.ACK.PEERING_EVENTS.reactions.1.2.") {
		t.Errorf("got %s, want the event after the consumer was made", m.Reply)
	} else if err := m.AckSync(); err != nil {
		t.Fatal(err)
	}
	emptied(t, nc, 1)
	if _, err := eventstore.EnsureBus(t.Context(), nc, ofTests); err != nil {
		t.Fatal(err)
	}
	storetest.Append(t, store(t, nc), 0, storetest.Event(storetest.Ent, "anew"))
	if m := next(t, delivered); !strings.HasPrefix(m.Reply, "$JS.ACK.PEERING_EVENTS.reactions.1.1.") {
		t.Errorf("got %s, want the first event of the new log", m.Reply)
	}
}

// TestEnsureBus_afterARestart: positions and what waits are still there.
func TestEnsureBus_afterARestart(t *testing.T) {
	dir := t.TempDir()
	start := func() (*embednats.Server, *nats.Conn) {
		srv := testkit.Server(t, func(o *embednats.Options) { o.Dir = dir }, testkit.SyncAlways)
		return srv, testkit.Connect(t, "nats://"+srv.Addr())
	}
	srv, nc := start()
	commands, parked := busOf(t, testkit.Topology{Replicas: 1, Conn: nc})
	if _, err := commands.Publish(t.Context(), "acme.AddPeer", nil, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	seq, err := parked.Park(t.Context(), eventstore.ParkedCommand{Tail: "acme.AddPeer", Source: 1, Body: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	next(t, subscribed(t, nc, eventstore.Partitions)) // and not acknowledged
	nc.Close()
	srv.Shutdown()

	_, nc = start()
	commands, parked = busOf(t, testkit.Topology{Replicas: 1, Conn: nc})
	if _, err := parked.Get(t.Context(), seq); err != nil {
		t.Error(err)
	}
	if again, err := parked.Park(t.Context(), eventstore.ParkedCommand{Tail: "acme.AddPeer", Source: 1, Body: []byte("{}")}); err != nil || again != seq {
		t.Errorf("parked again: got %d, %v, want %d", again, err, seq)
	}
	m := next(t, subscribed(t, nc, eventstore.Partitions))
	if meta, err := m.Metadata(); err != nil || meta.NumDelivered != 2 {
		t.Errorf("got %+v, %v, want the second delivery", meta, err)
	}
	if err := m.AckSync(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "an empty queue", func() bool { n, err := commands.Pending(t.Context()); return n == 0 && err == nil })
}

func TestAhead_earlierCommandsOfAnotherPartition(t *testing.T) {
	nc := testkit.Connect(t, "nats://"+testkit.Server(t).Addr())
	commands, _ := busOf(t, testkit.Topology{Replicas: 1, Conn: nc})
	for i, n := range []string{"256", "1"} { // the sequences 1 to 3, and 4 to 6
		if err := partitioned(t, nc, ofTests, into(n)); err != nil {
			t.Fatal(err)
		}
		for _, tail := range []string{"acme.AddPeer", "acme.EditPeer", "other-" + n + ".AddPeer"} {
			if _, err := commands.Publish(t.Context(), tail, nil, []byte(strconv.Itoa(i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	old, ok, err := commands.Stray(t.Context(), 1)
	if err != nil || !ok || old.Seq != 1 {
		t.Fatalf("got %+v, %t, %v", old, ok, err)
	}
	ahead := func(subject string, seq events.Seq, want bool) {
		t.Helper()
		if got, err := commands.Ahead(t.Context(), subject, seq); got != want || err != nil {
			t.Errorf("%s at %d: got %t, %v", subject, seq, got, err)
		}
	}
	ahead("peering.commands.0.acme.AddPeer", 4, true)
	ahead("peering.commands.0.acme.EditPeer", 5, true)
	ahead("peering.commands.0.other-1.AddPeer", 6, false)
	ahead("peering.commands.acme.AddPeer", 4, false) // stands in no partition: see Stray
	for _, seq := range []events.Seq{1, 2} {
		if err := commands.Remove(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
	}
	ahead("peering.commands.0.acme.EditPeer", 5, false) // the one ahead is of its partition
}
