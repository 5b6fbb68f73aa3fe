package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/bus"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/httpapi"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// TestParkedFinding_waitsAnHourForSomebody: then health says that nobody looks.
func TestParkedFinding_waitsAnHourForSomebody(t *testing.T) {
	nc := testkit.NATS(t)
	opts := eventstore.StreamOptions{MaxBytes: 16 << 20}
	err := eventstore.Ensure(t.Context(), nc, opts)
	if err == nil {
		_, err = eventstore.EnsureBus(t.Context(), nc, opts)
	}
	lot, newErr := eventstore.NewParked(nc)
	if err := errors.Join(err, newErr); err != nil {
		t.Fatal(err)
	}
	finds := func(at time.Time, level httpapi.Level, text string) {
		t.Helper()
		if f := parkedFinding(t.Context(), lot, at); f.level != level || !strings.Contains(f.message, text) {
			t.Errorf("found %s: %s, want %s: %s", f.level, f.message, level, text)
		}
	}
	finds(time.Now(), httpapi.Green, "no command waits")
	for i := range 2 {
		if _, err := lot.Park(t.Context(), eventstore.ParkedCommand{Tail: "acme.AddPeer", Reason: "unusable_id", Body: []byte{byte(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	finds(time.Now(), httpapi.Green, "2 parked")
	finds(time.Now().Add(parkedPatience+time.Minute), httpapi.Amber, "peering parked list")
	nc.Close()
	finds(time.Now(), httpapi.Amber, "cannot be read")
}

// TestParkedFault_hasTheErrorsOfTheAPI: each of them is one that a caller is told.
func TestParkedFault_hasTheErrorsOfTheAPI(t *testing.T) {
	for _, c := range []struct{ err, want error }{
		{eventstore.ErrNoParked, readmodel.ErrNotFound},
		{fmt.Errorf("x: %w", eventstore.ErrUnavailable), command.ErrUnavailable},
		{fmt.Errorf("x: %w", eventstore.ErrNoStream), command.ErrUnavailable},
		{fmt.Errorf("x: %w", eventstore.ErrFull), command.ErrUnavailable},
		{context.DeadlineExceeded, command.ErrUnavailable},
	} {
		if got := parkedFault(c.err); !errors.Is(got, c.want) {
			t.Errorf("%v is %v, want %v", c.err, got, c.want)
		}
	}
	d := eventstore.ParkedDecision{Action: eventstore.ParkedRetried, By: "ops", At: time.Unix(1, 0), Reason: "why"}
	var decided *httpapi.DecidedError
	if err := parkedFault(&bus.DecidedError{Seq: 3, Decision: d}); !errors.As(err, &decided) || decided.Decision.By != "ops" || decided.Decision.Action != "retried" {
		t.Errorf("got %v", err)
	}
}
