package httpapi

import (
	"context"
	"errors"
	"time"

	"github.com/peering/peering/internal/events"
)

// Prober reaches whoever looks at peers. Errors: ErrNoProber, ErrNotProbed,
// ErrProberBusy, and those of ctx.
type Prober interface {
	// Probe has the prober that owns the peer look at it now, and judge what it
	// found as it does by itself: an event may follow.
	Probe(ctx context.Context, ent events.EnterpriseID, peer events.PeerID) (ProbeReport, error)
	// Test looks at a server that need not be a peer's. Nothing is written.
	Test(ctx context.Context, t ProbeTarget) (ProbeReport, error)
}

// What keeps a prober from looking.
var (
	// ErrNoProber says that no prober is there.
	ErrNoProber = errors.New("httpapi: no prober answers")
	// ErrNotProbed says that the prober does not probe the peer: it has not learned
	// of it yet, or has learned that it is not probed any more.
	ErrNotProbed = errors.New("httpapi: the prober does not know the peer")
	// ErrProberBusy says that the prober looks at too many servers for others.
	ErrProberBusy = errors.New("httpapi: the prober is busy")
)

// ProbeTarget is a server to look at.
type ProbeTarget struct {
	Hostname string
	Port     int
}

// ProbeReport is what a look at a server has found.
type ProbeReport struct {
	Steps []events.Step
	OK    bool // it answered on every layer
	// Cause says what failed or, of a server that answered, needs attention.
	Cause events.Cause
	// Status and StatusCause are the peer's after this; empty for a test.
	Status      events.Status
	StatusCause events.Cause
	Sequence    events.Seq // of the event that it led to; 0: none
	Version     string
	Certificate *events.PeerCertificateSeen
	Addresses   []string // that the name resolved to
	Started     time.Time
	LatencyMS   float64 // 0: there was no answer
	Prober      string  // which one looked
}

// Samples answers what single probes found.
type Samples interface {
	// Samples returns the last ones of a peer, the newest first, none when it was
	// not probed. Errors: readmodel.ErrUnavailable, and those of ctx.
	Samples(ctx context.Context, ent events.EnterpriseID, peer events.PeerID, limit int) ([]events.Sample, error)
}
