package eventstore

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
)

// The streams of the bus (ADR 0024).
const (
	CommandsStream = "PEERING_COMMANDS"
	ParkedStream   = "PEERING_PARKED"

	// commandsRoot is where services publish: <root><enterprise>.<Command>. In
	// the stream the partition stands before the enterprise.
	commandsRoot = "peering.commands."
	parkedRoot   = "peering.parked."
	decidedRoot  = "peering.decided."
)

// Partitions is how many partitions a new stream of commands has. What the
// stream says counts, so that an operator may give it more.
const Partitions = 16

// The groups of subscribers that share the messages of a consumer.
const (
	CommandGroup  = "api"
	ReactionGroup = "projector"
)

// AckWait is how long a message of the bus may be worked on before it is handed
// to somebody else, unless its worker says that it goes on.
const AckWait = 11 * time.Second

// CommandDelivery is the subject on which the commands of a partition are
// delivered, to one member of CommandGroup at a time and one by one.
func CommandDelivery(partition int) string { return "" }

// ReactionDelivery is the subject on which the events of all configurations are
// delivered, to one member of ReactionGroup at a time and one by one, in the
// order of the log.
const ReactionDelivery = "peering.deliver.reactions"

// Bus is what EnsureBus has found or made.
type Bus struct {
	Partitions int
}

// EnsureBus makes the streams of the bus and their consumers when they are
// missing, and verifies them as Ensure does. The log is there already. The
// consumer of reactions begins at the end of the log as it is when the consumer
// is made: what happened before has no reaction.
func EnsureBus(ctx context.Context, nc *nats.Conn, o StreamOptions) (Bus, error) {
	return Bus{}, errors.ErrUnsupported
}

// Commands is the queue of commands, for whoever tends it.
type Commands struct{ nc *nats.Conn }

// NewCommands returns the queue on nc, which the caller closes after the last
// call has returned.
func NewCommands(nc *nats.Conn) (*Commands, error) { return &Commands{nc}, nil }

// Stray is a message of the queue that no partition takes: the stream once had
// more of them.
type Stray struct {
	Seq    events.Seq
	Tail   string // <enterprise>.<Command> as they were published
	Header nats.Header
	Data   []byte
	Time   time.Time
}

// Publish puts a command into the queue. tail is <enterprise>.<Command>. An
// error wraps ErrFull (nothing was written) or ErrUnavailable (perhaps written).
func (c *Commands) Publish(ctx context.Context, tail string, header nats.Header, body []byte) (events.Seq, error) {
	return 0, errors.ErrUnsupported
}

// Stray returns the first message that none of so many partitions takes.
func (c *Commands) Stray(ctx context.Context, partitions int) (Stray, bool, error) {
	return Stray{}, false, errors.ErrUnsupported
}

// Remove takes a message out of the queue; one that is gone is no error.
func (c *Commands) Remove(ctx context.Context, seq events.Seq) error { return errors.ErrUnsupported }

// Pending is how many commands wait in the queue.
func (c *Commands) Pending(ctx context.Context) (uint64, error) { return 0, errors.ErrUnsupported }

// Works asks the leaders of the log, the outcomes and the parked commands, and
// returns nil when commands can be carried out: when they fail all the same, it
// is because of the command or its enterprise. ErrFull is wrapped when the log
// or the outcomes have no room.
func (c *Commands) Works(ctx context.Context) error { return errors.ErrUnsupported }
