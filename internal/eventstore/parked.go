package eventstore

import (
	"errors"
	"time"

	"github.com/peering/peering/internal/events"
)

// ParkedCommand is a command that could not be handled and was put aside, with
// what is known of it.
type ParkedCommand struct {
	Seq events.Seq // its name
	At  time.Time
	// Tail is <enterprise>.<Command> as they were published. When it is too long
	// or cannot be shown, it ends in a blank and "…", which makes it one that
	// Commands.Publish refuses.
	Tail string
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
	Body       []byte // cut when BodySize says that there was more; List leaves it out
	BodySize   int
	// KeepWhole asks Park to keep more of the body than parkedBody, and to have
	// room left for it, because the command may be tried again. What the server's
	// limit of a message does not allow is cut all the same.
	KeepWhole bool

	Decision *ParkedDecision // nil: nobody decided yet
	Settled  bool            // what was decided has been carried out, as far as Get can tell; List cannot
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
	// Decided asks for those that were decided about, in the order of the
	// decisions, instead of those that are parked still.
	Decided bool
	After   events.Seq // goes on behind the one of that name; 0: from the start
	Limit   int        // at most MaxParkedPage; 0 means as many
}

// MaxParkedPage is how many parked commands List returns at most.
const MaxParkedPage = 1000

// ErrNoParked says that there is no parked command of that sequence.
var ErrNoParked = errors.New("eventstore: there is no such parked command")
