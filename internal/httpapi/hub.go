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
	// maxReaders is how many readers of the stream a process has at once.
	maxReaders = 5000
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
	full, summary []byte // "data: …" without the id before it
}

// part is what the stream tells its readers at once.
type part struct {
	frames  []frame
	horizon readmodel.Horizon
}

// reader is one reader of the stream, from the moment it has caught up.
type reader struct {
	parts chan part     // closed when the hub has ended
	slow  chan struct{} // closed when it was cut off for being slow
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
	position events.Seq // up to which all readers were told
	running  bool
	ending   bool // the last reader has gone, and the reading has not ended yet
	cancel   context.CancelFunc
	work     sync.WaitGroup
}

func newHub(frameOf func(readmodel.Event) (frame, error), log *slog.Logger, m *streamMetrics) *hub {
	return &hub{frameOf: frameOf, log: log, metrics: m, readers: map[*reader]struct{}{}}
}

// errTooManyReaders says that the process serves as many as it can.
var errTooManyReaders = errors.New("httpapi: too many readers")

// join adds a reader. It is told of everything after the position that is
// returned. leave must follow.
func (h *hub) join(ctx context.Context, audit Audit) (*reader, events.Seq, error) {
	for {
		h.mu.Lock()
		if len(h.readers) >= maxReaders {
			h.mu.Unlock()
			return nil, 0, errTooManyReaders
		}
		if h.ending {
			h.mu.Unlock()
			h.work.Wait()
			continue
		}
		if h.running {
			r := &reader{parts: make(chan part, readerBuffer), slow: make(chan struct{})}
			h.readers[r] = struct{}{}
			h.metrics.readers.Inc()
			at := h.position
			h.mu.Unlock()
			return r, at, nil
		}
		h.mu.Unlock()
		_, horizon, err := audit.Passed(ctx, "", 1<<62, 1) // where the tables are now
		if err == nil {
			err = stoppedFor(horizon)
		}
		if err != nil {
			return nil, 0, err
		}
		if err := h.start(audit, horizon.Position); err != nil { //nolint:contextcheck // it reads for all readers, not for the first alone
			return nil, 0, err
		}
	}
}

// start begins to read, unless somebody else has.
func (h *hub) start(audit Audit, at events.Seq) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running {
		return nil
	}
	moves, err := audit.Moves()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.running, h.cancel, h.position = true, cancel, at
	h.work.Go(func() {
		defer moves.Stop()
		defer cancel()
		err := h.follow(ctx, audit, moves)
		h.end(err)
	})
	return nil
}

// leave takes a reader away; the last one ends the reading.
func (h *hub) leave(r *reader) {
	h.mu.Lock()
	h.drop(r)
	last := len(h.readers) == 0 && h.running
	if last {
		h.ending = true
		h.cancel()
	}
	h.mu.Unlock()
	if last {
		h.work.Wait()
	}
}

// drop forgets a reader; h.mu is held.
func (h *hub) drop(r *reader) {
	if _, ok := h.readers[r]; ok {
		delete(h.readers, r)
		h.metrics.readers.Dec()
	}
}

// end sends all readers away after the reading has ended: they come back, and
// are told then what is wrong.
func (h *hub) end(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		h.log.Warn("the stream of events was interrupted", "err", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running, h.ending = false, false
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
		moved := moves.Next()
		list, horizon, err := audit.Passed(ctx, "", h.position, streamPage)
		if err != nil {
			return err
		}
		if err := stoppedFor(horizon); err != nil {
			return err
		}
		late, err := h.released(ctx, audit, held, horizon)
		if err != nil {
			return err
		}
		held = horizon.Held
		if err := h.tell(append(late, list...), horizon); err != nil {
			return err
		}
		if len(list) > 0 {
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

// stoppedFor is an error when a projection does not follow the log any more.
func stoppedFor(h readmodel.Horizon) error {
	if h.Stopped == "" {
		return nil
	}
	return fmt.Errorf("%w: a projection has stopped: %s", readmodel.ErrUnavailable, h.Stopped)
}

// released reads the events that readers were not told of because their
// enterprise was held, as far as it is not any more.
func (h *hub) released(ctx context.Context, audit Audit, held map[events.EnterpriseID]events.Seq, now readmodel.Horizon) (late []readmodel.Event, err error) {
	for ent, from := range held {
		to := h.position
		if at, still := now.Held[ent]; still {
			if at <= from {
				continue
			}
			to = min(to, at-1)
		}
		for from <= to {
			list, err := audit.Between(ctx, ent, from, to, streamPage)
			if err != nil || len(list) == 0 {
				if err != nil {
					return nil, err
				}
				break
			}
			late = append(late, list...)
			from = list[len(list)-1].Seq + 1
		}
	}
	return late, nil
}

// tell hands events to every reader.
func (h *hub) tell(list []readmodel.Event, horizon readmodel.Horizon) error {
	p := part{frames: make([]frame, 0, len(list)), horizon: horizon}
	for _, e := range list {
		f, err := h.frameOf(e)
		if err != nil {
			return err
		}
		p.frames = append(p.frames, f)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	changed := horizon.Position != h.position || len(list) > 0
	h.position = max(h.position, horizon.Position)
	if !changed {
		return nil
	}
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
