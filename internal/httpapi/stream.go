package httpapi

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

const (
	streamPath = "/api/v1/stream"
	typeEvents = "text/event-stream"

	headerLastEventID = "Last-Event-ID"

	// pingEvery is how often the stream says that it is alive when nothing else does.
	pingEvery = 15 * time.Second
	// frameTimeout is how long a reader may take for what is written at once.
	frameTimeout = 10 * time.Second
	// askAgain is how often it is asked whether the caller of a long answer may
	// still have it.
	askAgain = time.Second
	// comeBack is after how long a browser that lost the stream tries again.
	comeBack = 2 * time.Second
)

// streamMetrics count the readers of the stream.
type streamMetrics struct {
	readers prometheus.Gauge
	cutOff  prometheus.Counter
}

func newStreamMetrics(reg prometheus.Registerer) (*streamMetrics, error) {
	m := &streamMetrics{
		readers: prometheus.NewGauge(prometheus.GaugeOpts{Name: "peering_stream_readers", Help: "Readers of the stream of events."}),
		cutOff:  prometheus.NewCounter(prometheus.CounterOpts{Name: "peering_stream_cut_off_total", Help: "Readers that were cut off because they did not keep up."}),
	}
	if reg == nil {
		return m, nil
	}
	return m, errors.Join(reg.Register(m.readers), reg.Register(m.cutOff))
}

func (a *api) streamRoutes() {
	registerStreamed(a, operation{
		id: "stream-events", tag: eventTag, method: http.MethodGet, path: streamPath, right: access.Read, needs: []need{theDirectory, theAudit},
		summary: "Follow events as they happen",
		about: "Server-sent events. The data of each is an event, or its summary for a token that may not read the history; the id is its sequence. " +
			"An event is sent after every list shows it. Whoever comes back with Last-Event-ID misses nothing, and may see an event again. " +
			"Events named ping say up to which sequence everything was sent. A reader who does not keep up is cut off, and goes on by coming back. " +
			"That nobody probes a peer, or somebody does again, is no event: reads show it as the status unknown with the cause not_probed.",
		params: []*huma.Param{
			textParam("enterprise", "Only events of this enterprise."),
			textParam("peer", "Only events about this peer."),
			textParam("type", "Only events of this type.", texts(events.Default().Types())...),
			numberParam("after_seq", "Begin after this sequence instead of now.", 0, nil),
			headerParam(headerLastEventID, "Go on after this id; stronger than after_seq.", "57"),
		},
	}, []answerForm{{typeEvents, reflect.TypeFor[string](), streamExample}}, a.stream)
}

const streamExample = "id: 57\n" +
	`data: {"sequence":57,"id":"3f0c8a5e-7b1d-5c52-9a57-2f6f0d3e1c11","time":"2026-03-01T12:00:00Z","type":"PeerDisabled","enterprise":"acme","peer":"0198c5c6-2a6f-7c80-9d4e-0d6f5a1b2c3d","trusted_server":null}` +
	"\n\nid: 57\nevent: ping\ndata: {\"sequence\":57}\n\n"

// wanted is what a reader asked for.
type wanted struct {
	only    events.EnterpriseID // there are no others for it
	nothing bool                // it asked for one that is not there for it
	peer    events.PeerID
	kind    events.Type
	full    bool
	after   events.Seq
	resumes string // the parameter or header that says after what; empty: now
}

func (a *api) stream(ctx context.Context, c *call) (*streamed, error) {
	want, err := c.wanted()
	if err != nil {
		return nil, err
	}
	r, at, err := a.hub.join(ctx, c.Audit, c.owner())
	switch {
	case errors.Is(err, errTooManyReaders):
		return nil, problem(codeUnavailable, "", "As many readers as this process serves follow the stream already. Try again later.")
	case errors.Is(err, errTooManyOfOne):
		return nil, tooMany("this token or enterprise, which follows the stream " + strconv.Itoa(maxReadersOfOne) + " times already")
	case err != nil:
		return nil, err
	}
	if err := c.reaches(ctx, &want, at); err != nil {
		a.hub.leave(r)
		return nil, err
	}
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.Header().Set("X-Accel-Buffering", "no") // a proxy that would collect them
	return &streamed{
		contentType: typeEvents,
		close:       func() { a.hub.leave(r) },
		write: func(w http.ResponseWriter) {
			s := &sending{w: w, out: http.NewResponseController(w), want: want, sent: want.after, begin: want.after}
			a.send(ctx, c, s, r, at)
		},
	}, nil
}

// reaches sees to it that the log is where the reader wants to go on. Others may
// have shown it more than this stream has told yet; so that is waited for.
func (c *call) reaches(ctx context.Context, want *wanted, at events.Seq) error {
	if want.resumes == "" {
		want.after = at
		return nil
	}
	if want.after <= at {
		return nil
	}
	err := awaiting(ctx, "", want.after, c.Directory.Await)
	if err == nil {
		err = awaiting(ctx, "", want.after, c.Audit.Await)
	}
	var late *Problem
	if errors.As(err, &late) {
		return problem(domain.Invalid, want.resumes, "There is no sequence %d: the stream is at %d. Read everything anew.", want.after, at)
	}
	return err
}

// wanted reads what the request asks for.
func (c *call) wanted() (w wanted, err error) {
	w = wanted{only: c.principal.Enterprise, kind: events.Type(c.query.Get("type")), full: c.principal.May(access.ReadHistory)}
	ent, err := c.enterpriseFilter()
	if err != nil {
		return w, err
	}
	if w.nothing = !c.principal.Sees(ent) && ent != ""; ent != "" && !w.nothing {
		w.only = ent // of another one not even the holds are looked at
	}
	if w.peer, err = c.peerFilter(); err != nil {
		return w, err
	}
	if c.query.Has("after_seq") {
		w.after, w.resumes = events.Seq(c.number("after_seq")), "after_seq" // #nosec G115 -- not negative
	}
	id, err := c.single(headerLastEventID)
	if err != nil || id == "" {
		return w, err
	}
	n, err := strconv.ParseUint(id, 10, 63)
	if err != nil {
		return w, problem(domain.Malformed, headerLastEventID, "The header must be the id of an event of this stream: a sequence.")
	}
	w.after, w.resumes = events.Seq(n), headerLastEventID
	return w, nil
}

func (w wanted) takes(f frame) bool {
	return !w.nothing && (w.only == "" || f.enterprise == w.only) && (w.peer == "" || f.peer == w.peer) && (w.kind == "" || f.kind == w.kind)
}

// send writes what the reader missed and then what comes, until it goes, is too
// slow, may not read it any more, or the program stops.
func (a *api) send(ctx context.Context, c *call, s *sending, r *reader, at events.Seq) {
	if err := s.write([]byte("retry: " + strconv.FormatInt(comeBack.Milliseconds(), 10) + "\n\n")); err != nil {
		return
	}
	if !a.catchUp(ctx, c, s, r, at) {
		return
	}
	ping, allowed := time.NewTicker(pingEvery), time.NewTicker(askAgain)
	defer ping.Stop()
	defer allowed.Stop()
	for err := s.ping(at); err == nil; {
		select {
		case p, ok := <-r.parts:
			if !ok {
				return
			}
			err = s.part(p)
		case <-ping.C:
			err = s.ping(s.passed)
		case <-allowed.C:
			err = c.still(ctx)
		case <-r.slow:
			return
		case <-ctx.Done():
			return
		case <-a.opts.Ending:
			return
		}
	}
}

// catchUp writes the events between where the reader was and where it joined. It
// reports whether the stream goes on.
func (a *api) catchUp(ctx context.Context, c *call, s *sending, r *reader, at events.Seq) bool {
	said := time.Now()
	for from := s.want.after; from < at; {
		select {
		case <-a.opts.Ending:
			return false
		case <-r.slow: // meanwhile more has come than is kept for it
			return false
		default:
		}
		if c.still(ctx) != nil {
			return false
		}
		p, err := a.page(ctx, c.Audit, s.want.only, from, at)
		if err != nil || s.part(p) != nil {
			return false
		}
		if time.Since(said) > pingEvery/2 { // nothing that it wants may have been among many
			said = time.Now()
			if s.ping(s.passed) != nil {
				return false
			}
		}
		if p.horizon.Position <= from {
			return true
		}
		from = p.horizon.Position
	}
	return true
}

// page is a part of what was passed between two positions.
func (a *api) page(ctx context.Context, audit Audit, only events.EnterpriseID, from, to events.Seq) (part, error) {
	list, h, err := passed(ctx, audit, only, from)
	if err != nil {
		return part{}, err
	}
	h.Position = min(h.Position, to)
	p := part{horizon: h}
	for _, e := range list {
		if e.Seq > to {
			break
		}
		f, err := a.frameOf(e)
		if err != nil {
			return part{}, err
		}
		p.frames = append(p.frames, f)
	}
	return p, nil
}

// sending is the stream of one reader on its way out.
type sending struct {
	w      http.ResponseWriter
	out    *http.ResponseController
	want   wanted
	begin  events.Seq // it has what comes before
	sent   events.Seq // the id that the reader would come back with
	passed events.Seq // up to where everything was looked at
	buf    []byte
}

// maxBuf is how much room for what is written at once is kept.
const maxBuf = 64 << 10

// part writes what the reader wants of p. An event gets an id only while nothing
// before it is missing: who comes back with it then misses nothing.
func (s *sending) part(p part) error {
	safe := p.horizon.SafeFor(s.want.only)
	s.passed = max(s.passed, p.horizon.Position)
	if cap(s.buf) > maxBuf {
		s.buf = nil
	}
	s.buf = s.buf[:0]
	for _, f := range p.frames {
		if !s.want.takes(f) || !f.late && f.seq <= s.begin {
			continue
		}
		if f.seq <= safe && f.seq > s.sent {
			s.sent = f.seq
			s.id(f.seq)
		}
		if s.want.full {
			s.buf = append(s.buf, f.full...)
		} else {
			s.buf = append(s.buf, f.summary...)
		}
	}
	s.sent = max(s.sent, safe)
	if len(s.buf) == 0 {
		return nil
	}
	return s.write(s.buf)
}

// ping says that the stream is alive, and up to where everything was sent.
func (s *sending) ping(at events.Seq) error {
	s.passed = max(s.passed, at)
	s.buf = s.buf[:0]
	s.id(s.sent)
	s.buf = append(s.buf, "event: ping\ndata: {\"sequence\":"...)
	s.buf = strconv.AppendUint(s.buf, uint64(s.passed), 10)
	s.buf = append(s.buf, "}\n\n"...)
	return s.write(s.buf)
}

func (s *sending) id(seq events.Seq) {
	s.buf = append(s.buf, "id: "...)
	s.buf = strconv.AppendUint(s.buf, uint64(seq), 10)
	s.buf = append(s.buf, '\n')
}

// write writes within its time; an error means that the reader is gone.
func (s *sending) write(b []byte) error {
	if err := s.out.SetWriteDeadline(time.Now().Add(frameTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	// HTTP/2 would end the stream when the time is over, though nothing waits.
	if err := s.out.SetWriteDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
