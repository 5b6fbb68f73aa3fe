package bus

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

const (
	// handlerLimit is how long one attempt at a command may take. It is more than
	// command.Handler ever takes.
	handlerLimit = 6 * time.Second
	// secondTry is how long the second attempt may take, when the first failed and
	// everything works.
	secondTry = 2 * time.Second
	// holdPause is the time between two looks at whether commands can be carried
	// out again. With handlerLimit and worksLimit it stays below
	// eventstore.AckWait, in which a message that is held must be heard of.
	holdPause = 3 * time.Second
	// worksLimit is how long one such look may take.
	worksLimit = 4 * time.Second
	// parkLimit is how long one attempt to park may take.
	parkLimit = 6 * time.Second
	// maxDeliveries is the delivery at which a command that never came to an end
	// is suspected of bringing down whoever handles it. Processes that die for
	// another reason count too, so it is far more than chance brings about.
	maxDeliveries = 12
	// hopeless is the delivery from which on that holds though its id has an outcome.
	hopeless = 2 * maxDeliveries
)

// Queue is what the commands need of their queue. It is eventstore.Commands.
type Queue interface {
	Works(ctx context.Context) error
	Ahead(ctx context.Context, subject string, seq events.Seq) (bool, error)
	Stray(ctx context.Context, partitions int) (eventstore.Stray, bool, error)
	Remove(ctx context.Context, seq events.Seq) error
}

// Lot is where commands are parked. It is eventstore.Parked.
type Lot interface {
	Park(ctx context.Context, c eventstore.ParkedCommand) (events.Seq, error)
}

// Commands carries out the commands that services publish. Any number of
// processes may do so at once: the queue gives each message to one of them, and
// those of a partition one after the other.
//
// Each message ends in one of three ways before it is acknowledged: as an
// outcome that is kept, as a parked command, or as both. There are two
// exceptions, both counted: what was not delivered by the queue is ignored, and
// what never was a command is given up when there is no room to park it.
type Commands struct {
	w        Writer
	queue    Queue
	lot      Lot
	connect  func(name string, opts ...nats.Option) (*nats.Conn, error)
	log      *slog.Logger
	often    *limited // what hostile input could repeat
	metrics  commandMetrics
	failing  *failing
	pause    time.Duration // holdPause; tests have less
	patience time.Duration // patience; tests have less
	ill      atomic.Int64  // when this process reached nothing, in Unix time; ns
	noted    chan struct{} // holds one element when Tend is to look at once
	wanted   chan int      // partitions, when there are others than Run was given
	found    atomic.Int64  // partitions, for Run when it begins again; 0: Tend has not looked
}

// NewCommands returns what carries out the commands of the queue q with w. Run
// does so; Tend should run in at least one process.
func NewCommands(w Writer, q Queue, lot Lot, o Options) *Commands {
	o = o.withDefaults()
	return &Commands{
		w: w, queue: q, lot: lot, connect: o.Connect,
		log: o.Logger, often: newLimited(o.Logger),
		metrics:  newCommandMetrics(o.Metrics),
		failing:  newFailing(time.Now),
		pause:    holdPause,
		patience: patience,
		noted:    make(chan struct{}, 1),
		wanted:   make(chan int, 1),
	}
}
