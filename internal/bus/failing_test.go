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

func TestFailing_isDoubtedWhileNoOtherSucceeds(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f := newFailing(func() time.Time { return now })
	expect := func(step string, ent events.EnterpriseID, doubt time.Duration) {
		t.Helper()
		start := now
		now = now.Add(time.Second)
		if got := f.doubt(ent, start, start); got != doubt {
			t.Errorf("%s: doubted for %s", step, got)
		}
	}
	expect("the first that fails", "acme", aloneFor)
	expect("it fails again", "acme", aloneFor)
	expect("another one fails", "other", doubtFor)
	expect("and the first once more", "acme", doubtFor)
	start := now
	now = now.Add(time.Second)
	f.works("third")
	if f.doubt("acme", start, start) != 0 {
		t.Error("a third one succeeded meanwhile")
	}
	if f.doubt("acme", start, now) != doubtFor {
		t.Error("a third one succeeded before, and another one fails")
	}
	f.works("acme")
	expect("its own success long ago says nothing", "other", doubtFor)
	now = now.Add(failedLately)
	expect("after a quiet time", "acme", aloneFor)
	f.works("third")
	if f.doubt("acme", now.Add(-time.Second), now) != 0 {
		t.Error("a third one succeeded since the first attempt, and no other fails")
	}
}
