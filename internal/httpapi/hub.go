package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const (
	// maxReaders is how many readers of the stream a process has at once, and
	// maxReadersOfOne how many of them one enterprise, or one token for all, may be.
	maxReaders      = 10_000
	maxReadersOfOne = 1500
	// readerBuffer is how many parts may wait for a reader before it is cut off.
	// Parts are shared by all readers.
	readerBuffer = 32
	// streamPage is how many events are read at once.
	streamPage = 500
	// lookAnyway is after how long the tables are asked when nothing said that they
	// moved.
	lookAnyway = time.Second
)

// frame is one event on the stream, written out once for all readers.
type frame struct {
	seq           events.Seq
	enterprise    events.EnterpriseID
	peer          events.PeerID
	kind          events.Type
	late          bool   // it was held back, and comes after later ones
	full, summary []byte // "data: …" without the id before it
}

// part is what the stream tells its readers at once.
type part struct {
	frames  []frame
	horizon readmodel.Horizon
}

// reader is one reader of the stream, from the moment it has caught up.
type reader struct {
	owner string        // whose readers are counted together
	parts chan part     // closed when the reading has ended
	slow  chan struct{} // closed when it was cut off for being slow
}

// reading is one stretch of reading the tables, for all readers that join it.
type reading struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended
	ending bool          // its last reader has gone
}

// hub reads the tables once for all readers of this process. It works while
// there are any. A reader that does not keep up is cut off, and one that comes
// back goes on where it was.
type hub struct {
	frameOf func(readmodel.Event) (frame, error)
	log     *slog.Logger
	metrics *streamMetrics

	mu       sync.Mutex
	readers  map[*reader]struct{}
	owners   map[string]int
	position events.Seq // up to which all readers were told
	current  *reading   // nil: nobody reads
}

func newHub(frameOf func(readmodel.Event) (frame, error), log *slog.Logger, m *streamMetrics) *hub {
	return &hub{frameOf: frameOf, log: log, metrics: m, readers: map[*reader]struct{}{}, owners: map[string]int{}}
}

// The errors of join.
var (
	errTooManyReaders = errors.New("httpapi: too many readers")
	errTooManyOfOne   = errors.New("httpapi: too many readers of one owner")
)

// join adds a reader of an owner. It is told of everything after the position
// that is returned. leave must follow.
func (h *hub) join(ctx context.Context, audit Audit, owner string) (*reader, events.Seq, error) {
	for {
		r, at, wait, err := h.add(owner)
		if r != nil || err != nil {
			return r, at, err
		}
		if wait != nil {
			select {
			case <-wait:
				continue
			case <-ctx.Done():
				return nil, 0, ctx.Err()
			}
		}
		if err := h.start(ctx, audit); err != nil {
			return nil, 0, err
		}
	}
}

// add adds a reader to the reading there is. Without one it returns nothing, and
// what to wait for before the next can begin.
func (h *hub) add(owner string) (r *reader, at events.Seq, wait <-chan struct{}, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case len(h.readers) >= maxReaders:
		return nil, 0, nil, errTooManyReaders
	case h.owners[owner] >= maxReadersOfOne:
		return nil, 0, nil, errTooManyOfOne
	case h.current == nil:
		return nil, 0, nil, nil
	case h.current.ending:
		return nil, 0, h.current.done, nil
	}
	r = &reader{owner: owner, parts: make(chan part, readerBuffer), slow: make(chan struct{})}
	h.readers[r] = struct{}{}
	h.owners[owner]++
	h.metrics.readers.Inc()
	return r, h.position, nil, nil
}

// start begins to read from where the tables are now, unless somebody else has.
func (h *hub) start(ctx context.Context, audit Audit) error {
	horizon, err := within(ctx, readTimeout, func(ctx context.Context) (readmodel.Horizon, error) {
		_, horizon, err := audit.Passed(ctx, "", 1<<62, 1) // after everything
		return horizon, err
	})
	if err == nil {
		err = stoppedFor(horizon)
	}
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current != nil {
		return nil
	}
	moves, err := audit.Moves()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it reads for all readers, not for the first alone
	run := &reading{cancel: cancel, done: make(chan struct{})}
	h.current, h.position = run, horizon.Position
	go func() {
		defer close(run.done)
		defer cancel()
		defer moves.Stop()
		h.end(h.follow(ctx, audit, moves))
	}()
	return nil
}

// leave takes a reader away; the last one ends the reading, and returns when it
// has ended.
func (h *hub) leave(r *reader) {
	h.mu.Lock()
	h.drop(r)
	run := h.current
	if run != nil && len(h.readers) == 0 {
		run.ending = true
		run.cancel()
	} else {
		run = nil
	}
	h.mu.Unlock()
	if run != nil {
		<-run.done
	}
}

// drop forgets a reader; h.mu is held.
func (h *hub) drop(r *reader) {
	if _, ok := h.readers[r]; !ok {
		return
	}
	delete(h.readers, r)
	if h.owners[r.owner]--; h.owners[r.owner] == 0 {
		delete(h.owners, r.owner)
	}
	h.metrics.readers.Dec()
}

// end sends all readers away after the reading has ended: they come back, and
// are told then what is wrong.
func (h *hub) end(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		h.log.Warn("the stream of events was interrupted", "err", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current = nil
	for r := range h.readers {
		close(r.parts)
		h.drop(r)
	}
}

// follow tells the readers of what every projection has passed, until it fails
// or ctx ends.
func (h *hub) follow(ctx context.Context, audit Audit, moves *readmodel.Moves) error {
	var held map[events.EnterpriseID]events.Seq
	anyway := time.NewTicker(lookAnyway)
	defer anyway.Stop()
	for {
		moved, before := moves.Next(), h.position
		list, horizon, err := passed(ctx, audit, "", before)
		if err == nil {
			err = stoppedFor(horizon)
		}
		if err == nil {
			err = h.tellReleased(ctx, audit, held, horizon)
		}
		if err == nil {
			err = h.tell(list, horizon, false)
		}
		if err != nil {
			return err
		}
		held = horizon.Held
		if horizon.Position > before {
			continue // there may be more
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		case <-anyway.C:
		}
	}
}

// passed reads a page of what every projection has passed, within its time.
func passed(ctx context.Context, audit Audit, only events.EnterpriseID, after events.Seq) (list []readmodel.Event, horizon readmodel.Horizon, err error) {
	list, err = within(ctx, readTimeout, func(ctx context.Context) ([]readmodel.Event, error) {
		list, h, err := audit.Passed(ctx, only, after, streamPage)
		horizon = h
		return list, err
	})
	return list, horizon, err
}

// stoppedFor is an error when a projection does not follow the log any more.
func stoppedFor(h readmodel.Horizon) error {
	if h.Stopped == "" {
		return nil
	}
	return fmt.Errorf("%w: a projection has stopped: %s", readmodel.ErrUnavailable, h.Stopped)
}

// tellReleased tells the readers of events that were held back when they were
// told of later ones, as far as they are not any more.
func (h *hub) tellReleased(ctx context.Context, audit Audit, held map[events.EnterpriseID]events.Seq, now readmodel.Horizon) error {
	before := now // nothing new is passed by it
	before.Position = h.position
	for ent, from := range held {
		to := h.position
		if at, still := now.Held[ent]; still {
			if at <= from {
				continue
			}
			to = min(to, at-1)
		}
		for from <= to {
			list, err := within(ctx, readTimeout, func(ctx context.Context) ([]readmodel.Event, error) {
				return audit.Between(ctx, ent, from, to, streamPage)
			})
			if err != nil {
				return err
			}
			if len(list) == 0 {
				break
			}
			if err := h.tell(list, before, true); err != nil {
				return err
			}
			from = list[len(list)-1].Seq + 1
		}
	}
	return nil
}

// tell hands events to every reader.
func (h *hub) tell(list []readmodel.Event, horizon readmodel.Horizon, late bool) error {
	p := part{frames: make([]frame, 0, len(list)), horizon: horizon}
	for _, e := range list {
		f, err := h.frameOf(e)
		if err != nil {
			return err
		}
		f.late = late
		p.frames = append(p.frames, f)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if horizon.Position <= h.position && len(list) == 0 {
		return nil
	}
	h.position = max(h.position, horizon.Position)
	for r := range maps.Keys(h.readers) {
		select {
		case r.parts <- p:
		default:
			close(r.slow)
			h.drop(r)
			h.metrics.cutOff.Inc()
		}
	}
	return nil
}

// frameOf writes an event out for the stream.
func (a *api) frameOf(e readmodel.Event) (frame, error) {
	full := a.eventOf(e)
	f := frame{seq: e.Seq, enterprise: e.Enterprise, peer: e.Peer, kind: e.Type}
	for _, form := range []struct {
		to *[]byte
		v  any
	}{{&f.full, full}, {&f.summary, full.EventSummary}} {
		buf := bytes.NewBufferString("data: ")
		if err := marshal(buf, form.v); err != nil { // one line, which ends with a line break
			return f, err
		}
		buf.WriteByte('\n')
		*form.to = buf.Bytes()
	}
	return f, nil
}
