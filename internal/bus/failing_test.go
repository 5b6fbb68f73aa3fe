package bus

import (
	"fmt"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
)

func TestFailing_triesAreShortAndFew(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f := newFailing(func() time.Time { return now })
	expect := func(step string, limit time.Duration, known bool) {
		t.Helper()
		if l, k := f.limit("acme"); l != limit || k != known {
			t.Errorf("%s: limit %s, known %t; want %s, %t", step, l, k, limit, known)
		}
	}
	expect("at first", handlerLimit, false)
	f.failed("acme", 8*time.Second)
	expect("after a failure", shortTry, true)
	f.failed("acme", 300*time.Millisecond)
	expect("after a short one", shortTry-300*time.Millisecond, true)
	f.failed("acme", 900*time.Millisecond)
	expect("with no time left", 0, true)
	if l, known := f.limit("other"); l != handlerLimit || known {
		t.Error("another enterprise fails too")
	}
	now = now.Add(failingWindow)
	expect("in the next window", shortTry, true)
	now = now.Add(failingFor)
	expect("after a long time", handlerLimit, false)
	f.failed("acme", time.Second)
	f.works("acme")
	expect("after one that went well", handlerLimit, false)
}

func TestFailing_memoryIsBounded(t *testing.T) {
	f := newFailing(time.Now)
	for i := range 3 * maxFailing {
		f.failed(events.EnterpriseID(fmt.Sprint("ent-", i)), time.Second)
	}
	if len(f.all) > maxFailing {
		t.Errorf("%d enterprises are remembered", len(f.all))
	}
}
