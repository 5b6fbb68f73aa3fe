package httpapi

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// prober is a prober in a certain condition: it answers with a report, or err,
// after hold, and remembers what it was asked for.
type prober struct {
	report ProbeReport
	err    error
	hold   chan struct{} // nil: at once
	begun  chan struct{} // gets one for each look; nil: nobody waits for it

	mu     sync.Mutex
	probed []string
	tested []ProbeTarget
}

func (p *prober) Probe(ctx context.Context, ent events.EnterpriseID, peer events.PeerID) (ProbeReport, error) {
	p.mu.Lock()
	p.probed = append(p.probed, string(ent)+" "+string(peer))
	p.mu.Unlock()
	return p.look(ctx)
}

func (p *prober) Test(ctx context.Context, t ProbeTarget) (ProbeReport, error) {
	p.mu.Lock()
	p.tested = append(p.tested, t)
	p.mu.Unlock()
	r, err := p.look(ctx)
	r.Status, r.StatusCause, r.Sequence = "", events.Cause{}, 0
	return r, err
}

func (p *prober) look(ctx context.Context) (ProbeReport, error) {
	if p.begun != nil {
		p.begun <- struct{}{}
	}
	if p.hold != nil {
		select {
		case <-p.hold:
		case <-ctx.Done():
			return ProbeReport{}, ctx.Err()
		}
	}
	return p.report, p.err
}

// asked is how often it was asked for anything.
func (p *prober) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.probed) + len(p.tested)
}

// samplesFunc is Samples.
type samplesFunc func(ent events.EnterpriseID, peer events.PeerID, limit int) ([]events.Sample, error)

func (f samplesFunc) Samples(_ context.Context, ent events.EnterpriseID, peer events.PeerID, limit int) ([]events.Sample, error) {
	return f(ent, peer, limit)
}

// timeline is a Timeline that returns the rows it was given, or err.
type timeline struct {
	await   func(context.Context, events.EnterpriseID, events.Seq) error
	periods []readmodel.Period
	windows []readmodel.MaintenanceWindow
	cursor  string
	err     error
	asked   []any // the queries and spans
}

func (f *timeline) Await(ctx context.Context, ent events.EnterpriseID, min events.Seq) error {
	if f.await == nil {
		return nil
	}
	return f.await(ctx, ent, min)
}

func (f *timeline) Periods(_ context.Context, _ events.EnterpriseID, _ events.PeerID, q readmodel.TimelineQuery) (readmodel.Page[readmodel.Period], error) {
	f.asked = append(f.asked, q)
	return readmodel.Page[readmodel.Period]{Items: f.periods, NextCursor: f.cursor, Sequence: 77}, f.err
}

func (f *timeline) Maintenances(_ context.Context, _ events.EnterpriseID, _ events.PeerID, q readmodel.TimelineQuery) (readmodel.Page[readmodel.MaintenanceWindow], error) {
	f.asked = append(f.asked, q)
	return readmodel.Page[readmodel.MaintenanceWindow]{Items: f.windows, NextCursor: f.cursor, Sequence: 77}, f.err
}

func (f *timeline) Between(_ context.Context, _ events.EnterpriseID, _ events.PeerID, from, to time.Time) ([]readmodel.Period, []readmodel.MaintenanceWindow, error) {
	f.asked = append(f.asked, [2]time.Time{from, to})
	return f.periods, f.windows, f.err
}

// probing are the back ends that a prober fills, beside a directory.
type probing struct {
	directory *condition
	prober    *prober
	samples   samplesFunc
	timeline  *timeline
}

// newProbing is a deployment whose only peer is probed, and up.
func newProbing() *probing {
	return &probing{
		directory: &condition{peer: aPeer()}, prober: &prober{report: exampleReport()}, timeline: &timeline{},
		samples: func(events.EnterpriseID, events.PeerID, int) ([]events.Sample, error) { return nil, nil },
	}
}

func aPeer() readmodel.Peer {
	return readmodel.Peer{
		Enterprise: "acme", ID: "p1", Type: events.PeerMiCollab, Description: "Lyon", Hostname: "uc1.lyon.example", Port: 443,
		Host: "uc1.lyon.example", PeerEnterpriseID: "lyon", Enabled: true, Status: events.StatusUp, Revision: 41, LastSeq: 57,
	}
}

func (p *probing) api(t testing.TB, change ...func(*Options)) http.Handler {
	return newAPI(t, forbidden(t), nil, append([]func(*Options){func(o *Options) {
		o.Backends = func() Backends {
			return Backends{
				Tokens: noTokens{}, Commands: forbidden(t), Directory: p.directory,
				Prober: p.prober, Samples: p.samples, Timeline: p.timeline,
			}
		}
	}}, change...)...)
}

// stackProbes are back ends of the stack that no prober fills: they show
// something of whatever peer the directory has, with what it is called in it.
func stackProbes(db *readmodel.DB) Backends {
	word := func(ent events.EnterpriseID) string {
		if ent == "rival" {
			return marker
		}
		return "nothing listens"
	}
	cause := func(ent events.EnterpriseID) events.Cause {
		return events.Cause{Layer: events.LayerConnect, Code: "refused", Message: word(ent)}
	}
	return Backends{
		Prober: &prober{report: exampleReport()},
		Samples: samplesFunc(func(ent events.EnterpriseID, peer events.PeerID, _ int) ([]events.Sample, error) {
			return []events.Sample{{Enterprise: ent, Peer: peer, Started: noon(), Cause: cause(ent), Steps: exampleReport().Steps}}, nil
		}),
		Timeline: stackTimeline{db, cause},
	}
}

type stackTimeline struct {
	db    *readmodel.DB
	cause func(events.EnterpriseID) events.Cause
}

func (s stackTimeline) Await(ctx context.Context, ent events.EnterpriseID, min events.Seq) error {
	return s.db.Directory().Await(ctx, ent, min)
}

func (s stackTimeline) Periods(_ context.Context, ent events.EnterpriseID, _ events.PeerID, q readmodel.TimelineQuery) (readmodel.Page[readmodel.Period], error) {
	if q.Cursor != "" {
		return readmodel.Page[readmodel.Period]{}, &readmodel.QueryError{Field: "cursor", Msg: "is none of this list"}
	}
	return readmodel.Page[readmodel.Period]{Sequence: 3, Items: []readmodel.Period{{Seq: 3, Status: events.StatusDown, Cause: s.cause(ent), Since: noon()}}}, nil
}

func (s stackTimeline) Maintenances(_ context.Context, ent events.EnterpriseID, _ events.PeerID, q readmodel.TimelineQuery) (readmodel.Page[readmodel.MaintenanceWindow], error) {
	if q.Cursor != "" {
		return readmodel.Page[readmodel.MaintenanceWindow]{}, &readmodel.QueryError{Field: "cursor", Msg: "is none of this list"}
	}
	return readmodel.Page[readmodel.MaintenanceWindow]{Sequence: 3, Items: []readmodel.MaintenanceWindow{
		{Seq: 3, Start: noon(), End: noon().Add(time.Hour), Note: s.cause(ent).Message, By: loopbackActor},
	}}, nil
}

func (s stackTimeline) Between(_ context.Context, ent events.EnterpriseID, _ events.PeerID, from, to time.Time) ([]readmodel.Period, []readmodel.MaintenanceWindow, error) {
	return []readmodel.Period{{Seq: 3, Status: events.StatusUp, Cause: s.cause(ent), Since: from, Until: to}}, nil, nil
}
