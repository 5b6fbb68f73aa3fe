package eventstore

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/peering/peering/internal/events"
)

// DecisionMemory is how long decisions about parked commands are kept.
const DecisionMemory = 90 * 24 * time.Hour

// decidedSubject is where the decision about a parked command stands.
func decidedSubject(token string, seq events.Seq) string {
	return decidedRoot + token + "." + strconv.FormatUint(uint64(seq), 10)
}

func isParked(subject string) bool { return strings.HasPrefix(subject, parkedRoot) }

// Decide keeps a decision about a parked command unless there is one already,
// and returns the one that stands. Carrying it out is the caller's, who then
// calls Settle. The error is ErrNoParked or wraps ErrUnavailable.
func (p *Parked) Decide(ctx context.Context, seq events.Seq, d ParkedDecision) (stands ParkedDecision, err error) {
	return ParkedDecision{}, errors.ErrUnsupported
}

// Settle takes a parked command away whose decision has been carried out. The
// decision stays, with the command, for DecisionMemory.
func (p *Parked) Settle(ctx context.Context, seq events.Seq) error { return errors.ErrUnsupported }

// Unsettled returns parked commands that were decided about and not settled: the
// process that did it has ended in between. At most limit.
func (p *Parked) Unsettled(ctx context.Context, limit int) ([]ParkedCommand, error) {
	return nil, errors.ErrUnsupported
}

// Count is how many commands are parked and not settled.
func (p *Parked) Count(ctx context.Context) (uint64, error) { return 0, errors.ErrUnsupported }
