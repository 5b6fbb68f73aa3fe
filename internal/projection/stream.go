package projection

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// StreamChangedError says that the log is not the one that the tables were made
// from: it was lost, restored or truncated. Nothing is read from it; a person
// has to decide whether to restore the log or to rebuild the tables.
type StreamChangedError struct {
	Position events.Seq // of the tables
	Detail   string
}

func (e *StreamChangedError) Error() string {
	return fmt.Sprintf("the log is not the one that was read up to sequence %d: %s; restore the log, or have the tables made anew from this one", e.Position, e.Detail)
}

// fingerprint recognises a message. It does not need to be decodable.
func fingerprint(m events.Message) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%q\n%q\n", m.Seq, m.Subject, m.Header[events.HeaderID])
	h.Write(m.Data)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// verify checks that the log still is the one that was read up to mark, and
// returns what it is now. The error is a *StreamChangedError or one of the log.
func verify(ctx context.Context, source Source, mark readmodel.Mark) (events.Identity, error) {
	id, err := source.Identity(ctx)
	if err != nil {
		return id, fmt.Errorf("projection: look at the log: %w", err)
	}
	if mark.Position == 0 {
		return id, nil
	}
	if err := unchanged(id, mark); err != nil {
		return id, err
	}
	m, ok, err := source.At(ctx, mark.Position)
	switch {
	case err != nil:
		return id, fmt.Errorf("projection: look at the log: %w", err)
	case !ok:
		return id, &StreamChangedError{mark.Position, "the message that was read last is not there any more"}
	case fingerprint(m) != mark.Fingerprint:
		return id, &StreamChangedError{mark.Position, "the message that was read last is another now"}
	}
	return id, nil
}

// unchanged checks what can be told without reading a message.
func unchanged(id events.Identity, mark readmodel.Mark) error {
	if created := id.Created.UnixNano(); mark.Position > 0 && created != mark.StreamCreated {
		return &StreamChangedError{mark.Position, fmt.Sprintf("it was created at %s, not at %s",
			id.Created.UTC().Format(time.RFC3339Nano), time.Unix(0, mark.StreamCreated).UTC().Format(time.RFC3339Nano))}
	}
	if id.Last < mark.Position {
		return &StreamChangedError{mark.Position, fmt.Sprintf("it ends at sequence %d", id.Last)}
	}
	return nil
}
