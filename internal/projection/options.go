package projection

import (
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// Options of a Runner. The zero value works.
type Options struct {
	Logger  *slog.Logger
	Metrics prometheus.Registerer // nil: none

	// Projection is what is projected; the directory when nil.
	Projection readmodel.Projection
	// Registry knows the events; the product's when nil.
	Registry *events.Registry

	// Owner names this process among those that may run the projection. It has
	// to differ between them, and is made up when empty.
	Owner string
	// TakeOver takes the lease at once at the start instead of waiting until
	// the one before has been silent for Lease: for a process that knows itself
	// to be the only one.
	TakeOver bool
	// Lease is after how much silence of the owner another takes over.
	Lease time.Duration

	// BatchLimit is how many events are applied in one transaction at most,
	// give or take the rest of a command. Zero is what suits the projection, for
	// following the log, rebuilding and verifying alike.
	BatchLimit int
	// PartWait is how long the first events of a command wait for its others.
	PartWait time.Duration
}

// Defaults of Options.
const (
	defaultLease    = 2 * time.Second
	defaultPartWait = 250 * time.Millisecond

	defaultBatchLimit = 40_000
	// auditBatchLimit is less: the audit projection keeps each event whole, and
	// more at once take memory and save little.
	auditBatchLimit = 5_000
)

// batchLimit is the default BatchLimit of a projection.
func batchLimit(p readmodel.Projection) int {
	if p.Name() == readmodel.AuditProjection().Name() {
		return auditBatchLimit
	}
	return defaultBatchLimit
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Projection == nil {
		o.Projection = readmodel.DirectoryProjection()
	}
	if o.Registry == nil {
		o.Registry = events.Default()
	}
	if o.Owner == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "unknown"
		}
		o.Owner = host + "-" + strconv.Itoa(os.Getpid()) + "-" + uuid.NewString()
	}
	if o.Lease <= 0 {
		o.Lease = defaultLease
	}
	if o.BatchLimit <= 0 {
		o.BatchLimit = batchLimit(o.Projection)
	}
	if o.PartWait <= 0 {
		o.PartWait = defaultPartWait
	}
	return o
}
