package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/projection"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// deployment is a world with a directory and reactions.
type deployment struct {
	*world
	db      *readmodel.DB
	runner  *projection.Runner
	keeper  *access.Keeper
	handler *command.Handler
	store   eventstore.Store
	reg     *prometheus.Registry
	count   int // commands so far
}

// deploy makes the streams and a database and projects the directory. Reactions
// run when reacting is called.
func deploy(t testing.TB, url string, replicas int, d testkit.Database) *deployment {
	t.Helper()
	w := &deployment{world: newWorld(t, url, replicas), reg: prometheus.NewRegistry()}
	store, err1 := eventstore.NewJetStream(w.nc, events.NewCodec(events.Default()))
	outcomes, err2 := eventstore.NewOutcomes(w.nc)
	snapshots, err3 := eventstore.NewSnapshots(w.nc)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	w.store = store
	w.handler = command.New(store, outcomes, snapshots, command.Options{})
	w.connectTo(d)
	return w
}

// connectTo uses the database from now on, and projects into it.
func (w *deployment) connectTo(d testkit.Database) {
	w.t.Helper()
	db, err := readmodel.Open(w.t.Context(), d.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.db, w.keeper = db, access.NewKeeper(db.Tokens(), access.Options{})
	w.project()
	testkit.Eventually(w.t, "the tables", func() bool { return w.empty() || db.Directory().Await(context.Background(), "", 1) == nil })
}

// empty: nothing has happened.
func (w *deployment) empty() bool {
	id, err := eventstore.NewReader(w.nc).Identity(context.Background())
	return err == nil && id.Last == 0
}

// project follows the log until the test ends or stop is called.
func (w *deployment) project() (stop func()) {
	o := projection.Options{Logger: slog.New(slog.DiscardHandler), TakeOver: true}
	runner := projection.New(eventstore.NewReader(w.nc), w.db, o)
	w.runner = runner
	return w.beside("the projection", func(ctx context.Context) error {
		if err := runner.Run(ctx); ctx.Err() == nil {
			return err
		}
		return nil
	})
}

// reacting runs reactions until the test ends or stop is called.
func (w *deployment) reacting(change ...func(*Reactions)) (stop func()) {
	w.t.Helper()
	nc := testkit.Connect(w.t, w.url)
	lot, err := eventstore.NewParked(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	position, err := eventstore.NewReactionPosition(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	r := NewReactions(ReactionParts{w.handler, w.db.Directory(), w.keeper, lot, position, w.working}, Options{
		Connect: func(name string, opts ...nats.Option) (*nats.Conn, error) {
			return nats.Connect(w.url, append(eventstore.ConnectOptions(name, slog.New(slog.DiscardHandler)), opts...)...)
		},
		Metrics: w.reg,
	})
	r.pause = holdPause / 20
	for _, c := range change {
		c(r)
	}
	return w.beside("reactions", r.Run)
}

func (w *deployment) working(ctx context.Context) error {
	_, err := w.store.Last(ctx, events.ConfigSubject("nobody"))
	return err
}

// beside runs something until the test ends or stop is called.
func (w *deployment) beside(what string, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("%s ended: %v", what, err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// do gives a command and returns its receipt.
func (w *deployment) do(ent events.EnterpriseID, cmd domain.Command) command.Receipt {
	w.t.Helper()
	w.count++
	id := events.CommandID(fmt.Sprintf("c%d", w.count))
	r, err := w.handler.Handle(w.t.Context(), command.Request{Enterprise: ent, ID: id, Command: cmd, Actor: "alice"})
	if err != nil {
		w.t.Fatalf("%s of %s: %v", cmd.Name(), ent, err)
	}
	return r
}

func (w *deployment) registers(ent events.EnterpriseID, server domain.Server) {
	w.t.Helper()
	server.Deployment = events.DeploymentStandard
	w.do(ent, domain.RegisterEnterprise{ID: string(ent), Description: "Test", Domain: string(ent) + ".example", Server: server})
}

// peers adds a peer of ent with other.
func (w *deployment) peers(ent, other events.EnterpriseID, server domain.ServerIdentity) events.PeerID {
	w.t.Helper()
	cmd := domain.AddPeer{
		Type: events.PeerMiCollab, Description: "Peer " + string(other),
		Hostname: domain.Give(server.Hostname), PeerEnterpriseID: domain.Give(string(other)),
	}
	if server.Address != "" {
		cmd.Address = domain.Give(server.Address)
	}
	if server.Version != "" {
		cmd.Version = domain.Give(server.Version)
	}
	return events.PeerID(w.do(ent, cmd).ID)
}

func (w *deployment) row(ent events.EnterpriseID, id events.PeerID) readmodel.Peer {
	w.t.Helper()
	p, err := w.db.Directory().Peer(context.Background(), ent, id)
	if err != nil && !errors.Is(err, readmodel.ErrNotFound) && !errors.Is(err, readmodel.ErrUnavailable) {
		w.t.Fatal(err)
	}
	return p
}

// settled waits until every event of a configuration has been reacted to.
func (w *deployment) settled() {
	w.t.Helper()
	testkit.Eventually(w.t, "the reactions", func() bool {
		info, err := testkit.JetStream(w.t, w.nc).PushConsumer(context.Background(), events.Stream, eventstore.ReactionsConsumer)
		return err == nil && info.CachedInfo().NumPending == 0 && info.CachedInfo().NumAckPending == 0
	})
}

// caused are the events that a reaction made, in the order of the log.
func (w *deployment) caused(ents ...events.EnterpriseID) (all []events.Recorded) {
	w.t.Helper()
	for _, ent := range ents {
		for _, r := range w.history(string(ent)) {
			if r.Actor == reactor {
				all = append(all, r)
			}
		}
	}
	return all
}

// everywhere runs fn with each database on one replica and on three.
func everywhere(t *testing.T, fn func(*testing.T, *deployment)) {
	for name, open := range map[string]func(testing.TB) testkit.Database{"SQLite": testkit.SQLite, "PostgreSQL": testkit.Postgres} {
		t.Run(name, func(t *testing.T) {
			testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
				fn(t, deploy(t, top.URL, top.Replicas, open(t)))
			})
		})
	}
}

// TestReactions_serverChange: the peer row and the trusted-server entry of
// everybody in the deployment follow, and who is outside shows what to tell.
func TestReactions_serverChange(t *testing.T) {
	everywhere(t, func(t *testing.T, w *deployment) {
		before := domain.ServerIdentity{Hostname: "uc.acme.example", Address: "192.0.2.1", Version: "9.4"}
		w.registers(hq, domain.Server{Hostname: before.Hostname, Address: before.Address, Version: before.Version})
		w.registers(partner, domain.Server{Hostname: "uc.beta.example"})
		w.registers("gamma", domain.Server{Hostname: before.Hostname}) // on the same server
		theirs := w.peers(partner, hq, before)
		neighbour := w.peers("gamma", hq, domain.ServerIdentity{Hostname: before.Hostname})
		ours := w.peers(hq, partner, domain.ServerIdentity{Hostname: "uc.beta.example"})
		outside := w.peers(hq, "elsewhere", domain.ServerIdentity{Hostname: "uc.elsewhere.example"})
		w.do("gamma", domain.DisablePeer{Peer: neighbour})
		w.reacting()
		cause := w.do(hq, domain.ChangeEnterpriseServer{Hostname: domain.Give("new.acme.example"), Address: domain.Give("192.0.2.2"), Version: domain.Give("9.8")})
		testkit.Eventually(t, "everybody to follow", func() bool {
			p, q, o := w.row(partner, theirs), w.row("gamma", neighbour), w.row(hq, outside)
			return p.Hostname == "new.acme.example" && p.Host == "192.0.2.2" && p.Version == "9.8" && q.Host == "new.acme.example" && len(o.Notice) == 3
		})
		entry, err := w.db.Directory().TrustedServer(t.Context(), partner, events.TrustedServerOfPeer(theirs))
		if err != nil || entry.Host != "192.0.2.2" {
			t.Errorf("the entry is %+v, %v", entry, err)
		}
		w.settled()
		if p := w.row(hq, ours); p.Notice != nil {
			t.Errorf("who follows by itself is to be told: %+v", p.Notice)
		}
		for _, r := range w.caused(hq, partner, "gamma") {
			if r.CausationID != string(cause.Events[0]) || r.CorrelationID == "" || r.Reason == "" {
				t.Errorf("%s says of its cause %q, %q, %q", r.Event.Type(), r.CausationID, r.CorrelationID, r.Reason)
			}
		}
		w.do(hq, domain.AcknowledgePeerNotice{Peer: outside})
		testkit.Eventually(t, "the notice to be ticked off", func() bool { return w.row(hq, outside).Notice == nil })
	})
}

// TestReactions_fireOnceAndNeverOnReplay: a process that is started again,
// another database and a rebuild make no command.
func TestReactions_fireOnceAndNeverOnReplay(t *testing.T) {
	everywhere(t, func(t *testing.T, w *deployment) {
		w.registers(hq, domain.Server{Hostname: "a.example"})
		w.registers(partner, domain.Server{Hostname: "uc.beta.example"})
		w.peers(partner, hq, domain.ServerIdentity{Hostname: "a.example"})
		stop := w.reacting()
		w.do(hq, domain.ChangeEnterpriseServer{Hostname: domain.Give("b.example")})
		w.settled()
		once := len(w.caused(hq, partner))
		if once != 1 {
			t.Fatalf("%d events", once)
		}
		stop()
		w.connectTo(testkit.SQLite(t)) // fills itself from the log
		w.reacting()
		last := w.do(partner, domain.DescribeEnterprise{Description: "Another"})
		if err := w.db.Directory().Await(t.Context(), "", last.Sequence); err != nil {
			t.Fatal(err)
		}
		w.settled()
		if err := w.runner.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.settled()
		if n := len(w.caused(hq, partner)); n != once {
			t.Errorf("%d events after the replay, %d before", n, once)
		}
	})
}
