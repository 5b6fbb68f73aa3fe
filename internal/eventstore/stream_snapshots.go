package eventstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
)

// Headers of a piece of a snapshot.
const (
	headerSnapshotSeq    = "snapshot-seq"    // the fold's position
	headerSnapshotFormat = "snapshot-format" // of the data
	headerSnapshotLog    = "snapshot-log"    // creation time of the log it is a fold of
	headerSnapshotPart   = "snapshot-part"   // "<index>/<count>"
	headerSnapshotSum    = "snapshot-sum"    // SHA-256 of the whole
	headerRollup         = "Nats-Rollup"
	rollupSubject        = "sub" // removes what was on the subject
)

const (
	// pieceSize keeps a piece with its headers far below the message limit.
	pieceSize = 512 << 10
	maxPieces = MaxAppend
	saveTries = 5
)

// StreamSnapshots keeps snapshots in the stream SnapshotsStream (ADR 0009): a
// snapshot is one atomic batch of pieces on the subject of its enterprise, the
// first of which removes what was there. Ensure must have succeeded before it
// is used.
type StreamSnapshots struct {
	wire
	log wire // the log that the snapshots are folds of
	pub *publisher
}

// NewSnapshots returns the snapshots on nc, which the caller closes after the
// last call has returned.
func NewSnapshots(nc *nats.Conn) (*StreamSnapshots, error) {
	pub, err := newPublisher(nc)
	if err != nil {
		return nil, err
	}
	return &StreamSnapshots{wire{nc: nc, stream: SnapshotsStream}, wire{nc: nc, stream: events.Stream}, pub}, nil
}

// piece is one message of a snapshot, with what its headers say.
type piece struct {
	at           events.Seq // its place in the snapshots' own stream
	seq          events.Seq
	format       int
	log, sum     string
	index, count int
	data         []byte
}

// Load is described at Snapshots. A snapshot that is damaged, or replaced while
// it is read, counts as none: the caller folds the log.
func (s *StreamSnapshots) Load(ctx context.Context, ent events.EnterpriseID) (Snapshot, bool, error) {
	subject, err := snapshotSubject(ent)
	if err != nil {
		return Snapshot{}, false, err
	}
	last, ok, err := s.newest(ctx, subject)
	if err != nil || !ok {
		return Snapshot{}, false, err
	}
	log, err := s.log.name(ctx)
	if err != nil {
		return Snapshot{}, false, fmt.Errorf("snapshots: %w", err)
	}
	if last.log != log || last.index != last.count-1 {
		return Snapshot{}, false, nil
	}
	var data []byte
	for i := range last.index {
		m, ok, err := s.message(ctx, get{Seq: last.at - events.Seq(last.index-i)})
		if err != nil || !ok || m.Subject != subject {
			return Snapshot{}, false, err
		}
		data = append(data, m.Data...)
	}
	data = append(data, last.data...)
	if checksum(data) != last.sum {
		return Snapshot{}, false, nil
	}
	return Snapshot{Seq: last.seq, Format: last.format, Data: data}, true, nil
}

// Save is described at Snapshots.
func (s *StreamSnapshots) Save(ctx context.Context, ent events.EnterpriseID, snap Snapshot) error {
	subject, err := snapshotSubject(ent)
	if err != nil {
		return err
	}
	log, err := s.log.name(ctx)
	if err != nil {
		return fmt.Errorf("snapshots: %w", err)
	}
	entries, err := pieces(snap, log)
	if err != nil {
		return fmt.Errorf("save the snapshot of %s: %w", ent, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, budget, ErrUnavailable)
	defer cancel()
	for pause := 5 * time.Millisecond; ; pause *= 2 {
		there, ok, err := s.newest(ctx, subject)
		if err != nil {
			return fmt.Errorf("save the snapshot of %s: %w", ent, err)
		}
		if ok && there.log == log && there.seq >= snap.Seq && there.index == there.count-1 {
			return nil
		}
		if _, err = s.pub.publish(ctx, subject, there.at, entries); err == nil {
			return nil
		}
		if v := judge(err); v == refused || v == full || pause > 5*time.Millisecond<<saveTries || sleep(ctx, pause) != nil {
			return fmt.Errorf("save the snapshot of %s: %w", ent, err)
		}
	}
}

// Drop is described at Snapshots. It puts a message that is no snapshot in the
// place of the one at seq; when somebody saved another meanwhile, that one stays.
func (s *StreamSnapshots) Drop(ctx context.Context, ent events.EnterpriseID, seq events.Seq) error {
	subject, err := snapshotSubject(ent)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, budget, ErrUnavailable)
	defer cancel()
	there, ok, err := s.newest(ctx, subject)
	if err == nil && ok && there.seq == seq {
		nothing := entry{header: map[string][]string{headerRollup: {rollupSubject}}}
		_, err = s.pub.publish(ctx, subject, there.at, []entry{nothing})
	}
	if err != nil && judge(err) != conflict {
		return fmt.Errorf("drop the snapshot of %s: %w", ent, err)
	}
	return nil
}

// newest reads the last message on subject; its place counts even when it is
// not a piece of a snapshot.
func (s *StreamSnapshots) newest(ctx context.Context, subject string) (piece, bool, error) {
	m, ok, err := s.message(ctx, get{LastFor: subject})
	if err != nil || !ok {
		return piece{}, false, err
	}
	h := nats.Header(m.Header)
	p := piece{at: m.Seq, log: h.Get(headerSnapshotLog), sum: h.Get(headerSnapshotSum), data: m.Data}
	seq, err1 := strconv.ParseUint(h.Get(headerSnapshotSeq), 10, 64)
	format, err2 := strconv.Atoi(h.Get(headerSnapshotFormat))
	index, count, _ := strings.Cut(h.Get(headerSnapshotPart), "/")
	i, err3 := strconv.Atoi(index)
	n, err4 := strconv.Atoi(count)
	if errors.Join(err1, err2, err3, err4) != nil || n < 1 || i < 0 || i >= n || n > maxPieces || m.Seq < events.Seq(n) {
		return p, false, nil //nolint:nilerr // what cannot be read is no snapshot
	}
	p.seq, p.format, p.index, p.count = events.Seq(seq), format, i, n
	return p, true, nil
}

// snapshotSubject is the subject of an enterprise's snapshot.
func snapshotSubject(ent events.EnterpriseID) (string, error) {
	lower, err := events.ParseEnterpriseID(string(ent))
	if err != nil {
		return "", fmt.Errorf("eventstore: snapshot: %w", err)
	}
	return snapshotsRoot + string(lower), nil
}

// pieces cuts a snapshot into messages.
func pieces(snap Snapshot, log string) ([]entry, error) {
	count := max((len(snap.Data)+pieceSize-1)/pieceSize, 1)
	if count > maxPieces {
		return nil, fmt.Errorf("it has %d bytes, at most %d can be kept", len(snap.Data), maxPieces*pieceSize)
	}
	sum := checksum(snap.Data)
	entries := make([]entry, count)
	for i := range entries {
		entries[i] = entry{
			data: snap.Data[i*pieceSize : min((i+1)*pieceSize, len(snap.Data))],
			header: map[string][]string{
				headerSnapshotSeq:    {strconv.FormatUint(uint64(snap.Seq), 10)},
				headerSnapshotFormat: {strconv.Itoa(snap.Format)},
				headerSnapshotLog:    {log},
				headerSnapshotPart:   {strconv.Itoa(i) + "/" + strconv.Itoa(count)},
				headerSnapshotSum:    {sum},
			},
		}
	}
	entries[0].header[headerRollup] = []string{rollupSubject}
	return entries, nil
}

func checksum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
