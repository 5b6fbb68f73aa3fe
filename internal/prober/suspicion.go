package prober

import (
	"log/slog"
	"time"

	"github.com/peering/peering/internal/domain"
)

// suspicion is what a prober thinks of itself: whether most of what answered it
// before fails, and whether peers were reported unknown because of that. It is
// not safe for concurrent use.
type suspicion struct {
	domain.Isolation
	lasts    time.Duration // without a sign of it, until it is over
	log      *slog.Logger
	reported bool      // peers were reported unknown, which was told once
	last     time.Time // when it was so last
}

// isolateAfter is after how many failures in a row a peer is reported unknown
// because the prober suspects itself: before the last that makes it down.
const isolateAfter = 2

// holds reports whether the prober suspects itself now.
func (s *suspicion) holds(now time.Time) bool {
	if s.Suspected() {
		s.last = now
		return true
	}
	if s.reported && now.Sub(s.last) > s.lasts {
		s.reported = false
		s.log.Info("most peers answer again")
	}
	return false
}

// report notes that a peer is reported unknown, and tells it of the first.
func (s *suspicion) report() {
	if !s.reported {
		s.reported = true
		s.log.Error("most peers stopped answering at the same time: this prober may be cut off, and reports them as unknown")
	}
}
