package eventstore

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
)

// ParkedCommand is a command that could not be handled and was put aside, with
// what is known of it.
type ParkedCommand struct {
	Seq  events.Seq // its name
	At   time.Time
	Tail string // <enterprise>.<Command> as they were published
	// Enterprise and Command are those of Tail, empty when they cannot be ones.
	Enterprise events.EnterpriseID
	Command    string
	CommandID  events.CommandID // empty: it has none that could be used
	Reason     string           // a stable code
	Detail     string           // a sentence
	Actor      string           // who connected
	OnBehalfOf string
	Why        string // the reason that came with the command
	// CorrelationID, CausationID and Traceparent as they came.
	CorrelationID, CausationID, Traceparent string

	Source     events.Seq // in the queue; 0: it did not come from there
	Deliveries uint64
	Body       []byte // cut when BodySize says that there was more
	BodySize   int

	Decision *ParkedDecision // nil: nobody decided yet
	Settled  bool            // what was decided has been carried out
}

// What can be decided about a parked command.
const (
	ParkedRetried   = "retried"
	ParkedDiscarded = "discarded"
)

// ParkedDecision is what became of a parked command.
type ParkedDecision struct {
	Action string // ParkedRetried or ParkedDiscarded
	By     string
	At     time.Time
	Reason string // empty for a retry without one
}

// ParkedQuery selects parked commands.
type ParkedQuery struct {
	Enterprise events.EnterpriseID // empty: all
	Decided    bool                // those that were decided about instead
	After      events.Seq
	Limit      int
}

// ErrNoParked says that there is no parked command of that sequence.
var ErrNoParked = errors.New("eventstore: there is no such parked command")

// Parked keeps parked commands in the stream ParkedStream.
type Parked struct{ nc *nats.Conn }

// NewParked returns the parked commands on nc, which the caller closes after the
// last call has returned.
func NewParked(nc *nats.Conn) (*Parked, error) { return &Parked{nc}, nil }

// Park puts a command aside. The same message of the queue parked again at once
// is not doubled. An error wraps ErrFull (no room: nothing was written),
// ErrNoStream or ErrUnavailable (perhaps written; repeat the call).
func (p *Parked) Park(ctx context.Context, c ParkedCommand) (events.Seq, error) {
	return 0, errors.ErrUnsupported
}

// List returns parked commands in the order in which they were parked.
func (p *Parked) List(ctx context.Context, q ParkedQuery) ([]ParkedCommand, error) {
	return nil, errors.ErrUnsupported
}

// Get returns one, decided about or not. The error is ErrNoParked, or wraps
// ErrUnavailable or ErrNoStream.
func (p *Parked) Get(ctx context.Context, seq events.Seq) (ParkedCommand, error) {
	return ParkedCommand{}, errors.ErrUnsupported
}

// Decide keeps a decision about a parked command unless there is one already,
// and returns the one that stands. Carrying it out is the caller's, who then
// calls Settle. The error is ErrNoParked or wraps ErrUnavailable.
func (p *Parked) Decide(ctx context.Context, seq events.Seq, d ParkedDecision) (stands ParkedDecision, err error) {
	return ParkedDecision{}, errors.ErrUnsupported
}

// Settle takes a parked command away whose decision has been carried out. The
// decision stays, with the command, for DecisionMemory.
func (p *Parked) Settle(ctx context.Context, seq events.Seq) error { return errors.ErrUnsupported }

// DecisionMemory is how long decisions about parked commands are kept.
const DecisionMemory = 90 * 24 * time.Hour

// Unsettled returns parked commands that were decided about and not settled: the
// process that did it has ended in between. At most limit.
func (p *Parked) Unsettled(ctx context.Context, limit int) ([]ParkedCommand, error) {
	return nil, errors.ErrUnsupported
}

// Count is how many commands are parked and not settled.
func (p *Parked) Count(ctx context.Context) (uint64, error) { return 0, errors.ErrUnsupported }
