package projection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// VerifyReport is what comparing the tables of a projection with the log has
// found.
type VerifyReport struct {
	Projection string
	Version    int
	Position   events.Seq // of the tables that were compared
	// Tables are those of the projection, then its dead events and what is held.
	Tables []readmodel.TableReport
	Sound  bool // the tables are what follows from the log
}

// Verify fills tables from the beginning of the log and compares them with those
// that queries read, row by row and at one position, while the projection moves
// on. Nothing is repaired: Rebuild does that. Events that were discarded do not
// count on either side.
//
// *StreamChangedError: the tables are not of this log. Any other error: nothing
// is known about the tables; a rebuild that is started meanwhile is one reason.
func (r *Runner) Verify(ctx context.Context) (VerifyReport, error) {
	return r.verify(ctx, &progress{})
}

func (r *Runner) verify(ctx context.Context, p *progress) (VerifyReport, error) {
	for {
		tables, at, err := r.verifyOnce(ctx, p)
		if errors.Is(err, errOutdated) {
			continue
		}
		if err != nil {
			return VerifyReport{}, fmt.Errorf("projection: verify: %w", err)
		}
		report := VerifyReport{
			Projection: r.options.Projection.Name(), Version: r.options.Projection.Version(), Position: at, Tables: tables, Sound: true,
		}
		for _, t := range tables {
			report.Sound = report.Sound && t.Sound()
		}
		r.options.Logger.Info("the projection was verified", "stream_seq", at, "sound", report.Sound)
		return report, nil
	}
}

// errOutdated says that an event was discarded after the shadow was begun, which
// has it applied or held perhaps.
var errOutdated = errors.New("projection: an event was discarded meanwhile")

func (r *Runner) verifyOnce(ctx context.Context, p *progress) (tables []readmodel.TableReport, at events.Seq, err error) {
	if err := r.checkLog(ctx); err != nil {
		return nil, 0, err
	}
	lease, err := r.db.BuildShadow(ctx, r.options.Projection, r.options.Owner)
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		r.release(ctx, lease)
		err = errors.Join(err, r.prune(ctx))
	}()
	s := shadow{runner: r, lease: lease, progress: p}
	for {
		tables, err := s.compare(ctx)
		if err != nil || tables != nil {
			return tables, lease.Mark().Position, err
		}
	}
}

// checkLog checks that the tables that queries read are of this log.
func (r *Runner) checkLog(ctx context.Context) error {
	m, err := r.db.Freeze(ctx, r.options.Projection)
	if err != nil {
		return err
	}
	mark := m.Mark()
	m.Close()
	_, err = verify(ctx, r.source, mark)
	return err
}

// shadow is a generation that is made to be compared with the live one.
type shadow struct {
	runner    *Runner
	lease     *readmodel.Lease
	progress  *progress
	unsettled time.Time // since when the live tables have a discard before them
}

// nearby is how many events may be missing when the live tables are frozen.
const nearby = 5000

// compare gets the shadow to where the live tables are, and compares them; nil:
// it has to be called again.
//
// The live tables are frozen first, by a transaction that sees one moment, and
// the shadow reads to exactly their position: nobody has to wait for that, and
// the shadow never gets ahead. Only while little is missing, for a database does
// not like old transactions.
func (s *shadow) compare(ctx context.Context) ([]readmodel.TableReport, error) {
	m, err := s.runner.db.Freeze(ctx, s.runner.options.Projection)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	live, at := m.Mark(), s.lease.Mark().Position
	if live.Position < at {
		return nil, fmt.Errorf("the tables that are read went back from %d to %d", at, live.Position)
	}
	if live.Position > at+nearby {
		m.Close()
		return nil, s.read(ctx, live.Position)
	}
	if err := s.read(ctx, live.Position); err != nil {
		return nil, err
	}
	if s.lease.Mark() != live {
		return nil, &StreamChangedError{live.Position, "the message that was read last is another now"}
	}
	if ok, err := s.settled(ctx, m); !ok || err != nil {
		m.Close()
		return nil, errors.Join(err, pause(ctx, s.runner.options.Lease/8))
	}
	return m.Compare(ctx, s.lease)
}

// settlePatience is how many leases a projection has to act on a discard. After
// that its tables are compared as they are.
const settlePatience = 5

// settled reports whether the live tables have nothing before them that the
// shadow knows already.
func (s *shadow) settled(ctx context.Context, m *readmodel.Moment) (bool, error) {
	settled, current, err := m.Settled(ctx, s.lease)
	switch {
	case err != nil:
		return false, err
	case !current:
		return false, errOutdated
	case settled:
		return true, nil
	case s.unsettled.IsZero():
		s.unsettled = time.Now()
	}
	return time.Since(s.unsettled) > settlePatience*s.runner.options.Lease, nil
}

// errReached ends the term of a shadow that is where it has to be.
var errReached = errors.New("projection: reached")

// read applies the log up to a position.
func (s *shadow) read(ctx context.Context, upTo events.Seq) error {
	if s.lease.Mark().Position == upTo {
		return nil
	}
	t := s.runner.build(s.lease, s.progress)
	t.log = t.log.With("verify", true)
	t.upTo = upTo
	t.committed = func(context.Context) error {
		at := s.lease.Mark().Position
		s.progress.moved(at)
		if at >= upTo {
			return errReached
		}
		return nil
	}
	if err := t.run(ctx); !errors.Is(err, errReached) {
		return err
	}
	return nil
}
