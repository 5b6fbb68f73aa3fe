package projection

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// overLine returns a PostgreSQL, the same behind a line that can be cut, and the
// line.
func overLine(t *testing.T) (d, behind testkit.Database, line *testkit.Line) {
	t.Helper()
	d = testkit.Postgres(t)
	u, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	line = testkit.Proxy(t, u.Host)
	u.Host = strings.TrimPrefix(line.URL(), "nats://")
	return d, testkit.Database{Name: d.Name, URL: u.String()}, line
}

// TestOutage_ofTheDatabase: connections that break in the middle, again and
// again, cost nothing but time. A transaction whose answer was lost may have
// been written: the runner finds out.
func TestOutage_ofTheDatabase(t *testing.T) {
	d, behind, line := overLine(t)
	log, w := memory(t, 3)
	x := start(t, New(log, open(t, behind), quick()))
	x.reaches(end(t, log))
	for range 5 {
		line.Cut()
		w.work(1)
		line.LoseAnswers() // what is written now is not acknowledged
		w.work(1)
		lost := line.Lost()
		testkit.Eventually(t, "an answer to be lost", func() bool { return line.Lost() > lost })
		line.Cut()
		x.reaches(w.work(1))
	}
	shows(t, log, d)
}

func TestOutage_isShownAndPasses(t *testing.T) {
	d, behind, line := overLine(t)
	log, w := memory(t, 1)
	x := start(t, New(log, open(t, behind), quick()))
	x.reaches(end(t, log))
	stop := make(chan struct{})
	cutting := make(chan struct{})
	go func() {
		defer close(cutting)
		for {
			select {
			case <-stop:
				return
			default:
				line.Cut()
			}
		}
	}()
	last := w.work(1)
	testkit.Eventually(t, "the error to be shown", func() bool { return errors.Is(x.Status().Err, readmodel.ErrUnavailable) })
	close(stop)
	<-cutting
	x.reaches(last)
	testkit.Eventually(t, "the error to be gone", func() bool { return x.Status().Err == nil })
	shows(t, log, d)
}
