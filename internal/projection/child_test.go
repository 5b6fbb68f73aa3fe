package projection

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// childVariable makes the test binary a projector of its own: a process that
// can be killed and paused as no context can.
const childVariable = "PEERING_TEST_PROJECTION_CHILD"

// orders are what the child is to do.
type orders struct {
	NATS, Database, Owner string
	// StopAt is a position: the transaction that would move beyond it stops
	// between its rows and its position, for good. Zero: none does.
	StopAt events.Seq
	Batch  int
}

// saysBetween is what the child says on standard output when it has stopped
// between rows and position. Besides that it says each role that it takes.
const saysBetween = "between"

// child is the program of the child.
func child() int {
	var o orders
	if err := json.Unmarshal([]byte(os.Getenv(childVariable)), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx := context.Background()
	nc, err := nats.Connect(o.NATS, eventstore.ConnectOptions(o.Owner, slog.New(slog.DiscardHandler))...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	db, err := readmodel.Open(ctx, o.Database)
	if err == nil {
		err = db.Migrate(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	r := New(eventstore.NewReader(nc), db, Options{Owner: o.Owner, Lease: 200 * time.Millisecond, BatchLimit: o.Batch})
	if o.StopAt > 0 {
		r.hooks.beforeCheckpoint = func(context.Context) error {
			if r.Status().Position < o.StopAt {
				return nil
			}
			fmt.Println(saysBetween)
			select {}
		}
	}
	go func() {
		for role := Starting; ; <-time.After(time.Millisecond) {
			if now := r.Status().Role; now != role {
				role = now
				fmt.Println(role)
			}
		}
	}()
	fmt.Fprintln(os.Stderr, r.Run(ctx))
	return 1
}

// projector is a child at work.
type projector struct {
	t   *testing.T
	cmd *exec.Cmd

	mu   sync.Mutex
	said []string
}

// spawn starts a child that is killed when the test ends.
func spawn(t *testing.T, o orders) *projector {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	p := &projector{t: t, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	p.cmd.Stdout, p.cmd.Stderr = p, t.Output()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may be gone already
		_ = p.cmd.Wait()         // it was killed
	})
	return p
}

// Write takes what the child says.
func (p *projector) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = append(p.said, strings.Fields(string(b))...)
	return len(b), nil
}

// says waits until the child says a word.
func (p *projector) says(word string) {
	p.t.Helper()
	testkit.Eventually(p.t, fmt.Sprintf("%q from the other process", word), func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return slices.Contains(p.said, word)
	})
}

func (p *projector) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// stream is a log on a NATS server that children can reach.
func stream(t *testing.T) (url string, source Source, w *writer) {
	t.Helper()
	server := testkit.Server(t)
	url = "nats://" + server.Addr()
	nc := testkit.Connect(t, url)
	source, w = onJetStream(t, nc, 1)
	return url, source, w
}

func onJetStream(t *testing.T, nc *nats.Conn, replicas int) (Source, *writer) {
	t.Helper()
	testkit.Eventually(t, "the streams", func() bool {
		return eventstore.Ensure(t.Context(), nc, eventstore.StreamOptions{Replicas: replicas, MaxBytes: 256 << 20}) == nil
	})
	store, err := eventstore.NewJetStream(nc, codec())
	if err != nil {
		t.Fatal(err)
	}
	return eventstore.NewReader(nc), newWriter(t, store)
}

// TestKill_betweenRowsAndPosition: SIGKILL of a process that has written rows
// and not yet the position. Nothing of it is seen, and nothing is missing after.
func TestKill_betweenRowsAndPosition(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		url, source, w := stream(t)
		w.work(4)
		half := w.work(1)
		last := w.work(5)
		db := open(t, d)
		for round, at := range []events.Seq{1, half, last - 10} {
			p := spawn(t, orders{NATS: url, Database: d.URL, Owner: fmt.Sprint("child-", round), StopAt: at, Batch: 7})
			p.says(saysBetween)
			before, err := db.State(t.Context(), readmodel.DirectoryProjection())
			if err != nil {
				t.Fatal(err)
			}
			p.signal(syscall.SIGKILL)
			_ = p.cmd.Wait() // killed
			after, err := db.State(t.Context(), readmodel.DirectoryProjection())
			if err != nil || after.Position != before.Position || after.Position < at {
				t.Fatalf("killed beyond %d: from %d to %d, %v", at, before.Position, after.Position, err)
			}
		}
		// Whoever goes on waits for the lease of the dead one.
		x := start(t, New(source, db, quick()))
		x.reaches(last)
		shows(t, source, d)
	})
}

// TestPause_beyondATakeover: a process that was stopped, taken for dead and
// woken again writes nothing any more, and stands by.
func TestPause_beyondATakeover(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		url, source, w := stream(t)
		w.work(3)
		p := spawn(t, orders{NATS: url, Database: d.URL, Owner: "paused", Batch: 7})
		p.says(string(Active))
		db := open(t, d)
		testkit.Eventually(t, "the other process to work", func() bool {
			s, err := db.State(t.Context(), readmodel.DirectoryProjection())
			return err == nil && s.Position == end(t, source)
		})
		p.signal(syscall.SIGSTOP)
		x := start(t, New(source, db, quick()))
		x.reaches(w.work(3))
		p.signal(syscall.SIGCONT)
		p.says(string(Standby))
		x.reaches(w.work(3))
		shows(t, source, d)
		if s := x.Status(); s.Role != Active {
			t.Errorf("the one that took over is %s", s.Role)
		}
	})
}

// TestPause_insideATransaction: on PostgreSQL the paused one holds locks on
// rows until the server ends its transaction; then the other goes on. SQLite
// has one writer, which another process cannot push aside while it lives.
func TestPause_insideATransaction(t *testing.T) {
	d := testkit.Postgres(t)
	url, source, w := stream(t)
	half := w.work(2)
	last := w.work(2)
	p := spawn(t, orders{NATS: url, Database: d.URL, Owner: "paused", StopAt: half, Batch: 7})
	p.says(saysBetween)
	p.signal(syscall.SIGSTOP)
	x := start(t, New(source, open(t, d), quick()))
	x.reaches(last)
	p.signal(syscall.SIGCONT)
	x.reaches(w.work(2))
	shows(t, source, d)
}
