package bench_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/httpapi"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// BenchmarkPage is target P7: pages of 100 rows of an enterprise with 10,000
// peers beside 999 others. Latencies are of one client, over all sorts, both
// directions and every filter, in milliseconds; before each of them the
// enterprise changes, so that no page is kept from before:
//
//	p50-ms, p99-ms  without q: no filter, status, type, enabled, a page in the middle
//	q-p99-ms        with q, which matches one row in ten
//	http-p99-ms     all of these through the handler of the API, JSON included
//	plain-p99-ms    the reference: 100 rows by primary key, all columns, through database/sql
//
// Rates are of eight clients on all cores, in requests a second:
//
//	plain/s    the reference, as above
//	natural/s  the first page in the list's own order
//	mixed/s    all sorts, both directions and all filters in turn, without q
//	moving/s   the same, while one request in twenty changes the enterprise
//	cold/s     as mixed/s, of more pages than are kept
//	http/s     as natural/s, through the handler of the API, JSON included
func BenchmarkPage(b *testing.B) {
	for _, c := range []struct {
		name string
		open func() testkit.Database
	}{
		{"SQLite", func() testkit.Database { return testkit.SQLite(b) }},
		{"PostgreSQL", func() testkit.Database { return testkit.Postgres(b) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := newPages(b, c.open())
			for b.Loop() {
				p.measure(b)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// pages is a directory with a large enterprise in it.
type pages struct {
	db     *readmodel.DB
	writer *directoryWriter
	api    http.Handler
	plain  *sql.DB
	rows   string // the reference query
}

const pagesOf = events.EnterpriseID("large")

func newPages(b *testing.B, d testkit.Database) *pages {
	b.Helper()
	large, small, each := 10_000, 999, 20
	if testing.Short() {
		large, small, each = 500, 5, 20
	}
	db, err := readmodel.Open(b.Context(), d.URL)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	w := writeDirectory(b, db)
	w.fill(b, large, small, each)
	p := &pages{db: db, writer: w, plain: plainDB(b, d)}
	p.plain.SetMaxIdleConns(16)
	if d.Postgres() { // which does so itself within minutes; the reference needs it
		if _, err := p.plain.ExecContext(b.Context(), "ANALYSE"); err != nil {
			b.Fatal(err)
		}
	}
	b.Cleanup(func() { _ = p.plain.Close() })
	p.rows = fmt.Sprintf("SELECT * FROM %s_v%d_g%d_peers WHERE enterprise = $1 AND id > $2 ORDER BY id LIMIT 100",
		w.state.Name, w.state.Version, w.state.Generation)
	tokens := access.NewKeeper(db.Tokens(), access.Options{})
	p.api, err = httpapi.New(httpapi.Options{
		Backends: func() httpapi.Backends {
			return httpapi.Backends{Tokens: tokens, Directory: db.Directory()}
		},
		Health: noHealth{},
	})
	if err != nil {
		b.Fatal(err)
	}
	return p
}

type noHealth struct{}

func (noHealth) Report(context.Context) httpapi.Report { return httpapi.Report{} }

func (p *pages) measure(b *testing.B) {
	b.Helper()
	plain, search := p.requests(b)
	seconds, rounds := 5*time.Second, 3
	if testing.Short() {
		seconds, rounds = 100*time.Millisecond, 1
	}
	took := p.sequential(b, rounds, len(plain), func(i int) { p.read(b, plain[i]) })
	b.ReportMetric(percentile(took, 0.50), "p50-ms")
	b.ReportMetric(percentile(took, 0.99), "p99-ms")
	took = p.sequential(b, rounds, len(search), func(i int) { p.read(b, search[i]) })
	b.ReportMetric(percentile(took, 0.99), "q-p99-ms")
	all := append(append([]readmodel.PeerQuery{}, plain...), search...)
	took = p.sequential(b, rounds, len(all), func(i int) { p.get(b, all[i]) })
	b.ReportMetric(percentile(took, 0.99), "http-p99-ms")
	took = p.sequential(b, rounds, len(plain), func(int) { p.reference(b) })
	b.ReportMetric(percentile(took, 0.99), "plain-p99-ms")
	p.rates(b, seconds, plain)
}

func (p *pages) rates(b *testing.B, seconds time.Duration, plain []readmodel.PeerQuery) {
	b.Helper()
	b.ReportMetric(rate(b, seconds, func(int64) { p.reference(b) }), "plain/s")
	b.ReportMetric(rate(b, seconds, func(int64) { p.read(b, readmodel.PeerQuery{}) }), "natural/s")
	mixed := func(n int64) readmodel.PeerQuery { return plain[n*7919%int64(len(plain))] }
	mix := func(n int64) { p.read(b, mixed(n)) }
	b.ReportMetric(rate(b, seconds, mix), "mixed/s")
	b.ReportMetric(rate(b, seconds, func(n int64) {
		if n%20 == 0 {
			p.writer.move(b)
		}
		mix(n)
	}), "moving/s")
	b.ReportMetric(rate(b, seconds, func(n int64) {
		q := mixed(n)
		q.Limit = 90 + int(n%21)
		p.read(b, q)
	}), "cold/s")
	b.ReportMetric(rate(b, seconds, func(int64) { p.get(b, readmodel.PeerQuery{}) }), "http/s")
}

// sorts are the columns that the list of peers can be sorted by, taken from
// what it says to a wrong one.
func (p *pages) sorts(b *testing.B) []string {
	b.Helper()
	_, err := p.db.Directory().Peers(b.Context(), pagesOf, readmodel.PeerQuery{ListQuery: readmodel.ListQuery{Sort: "?"}})
	if err == nil {
		b.Fatal("a wrong sort is taken")
	}
	_, list, _ := strings.Cut(err.Error(), "one of ")
	list, _, _ = strings.Cut(list, `, with "-"`)
	sorts := strings.Split(list, ", ")
	if len(sorts) < 20 {
		b.Fatalf("the sorts cannot be read from %q", err)
	}
	return sorts
}

// requests are all sorts, both directions and every filter.
func (p *pages) requests(b *testing.B) (plain, search []readmodel.PeerQuery) {
	b.Helper()
	no := false
	for _, sort := range p.sorts(b) {
		for _, sort := range []string{sort, "-" + sort} {
			q := readmodel.PeerQuery{ListQuery: readmodel.ListQuery{Sort: sort}}
			up, external, disabled, found := q, q, q, q
			up.Status, external.Type, disabled.Enabled, found.Q = events.StatusUp, events.PeerExternal, &no, "7 p"
			plain = append(plain, q, up, external, disabled, p.deeper(b, q))
			search = append(search, found)
		}
	}
	return plain, search
}

// deeper is the query of a page in the middle of q's list.
func (p *pages) deeper(b *testing.B, q readmodel.PeerQuery) readmodel.PeerQuery {
	b.Helper()
	limit := q.Limit
	q.Limit = 1000
	for range 5 {
		page := p.read(b, q)
		if page.NextCursor == "" {
			break
		}
		q.Cursor = page.NextCursor
	}
	q.Limit = limit
	return q
}

func (p *pages) read(b *testing.B, q readmodel.PeerQuery) readmodel.Page[readmodel.Peer] {
	page, err := p.db.Directory().Peers(b.Context(), pagesOf, q)
	if err != nil || len(page.Items) == 0 {
		b.Errorf("%+v: %d rows, %v", q, len(page.Items), err)
	}
	return page
}

// get reads the same page through the API.
func (p *pages) get(b *testing.B, q readmodel.PeerQuery) {
	v := url.Values{}
	for name, value := range map[string]string{"q": q.Q, "sort": q.Sort, "cursor": q.Cursor, "status": string(q.Status), "type": string(q.Type)} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Enabled != nil {
		v.Set("enabled", fmt.Sprint(*q.Enabled))
	}
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/api/v1/enterprises/"+string(pagesOf)+"/peers?"+v.Encode(), http.NoBody)
	r.Host, r.RemoteAddr = "localhost", "127.0.0.1:1"
	w := httptest.NewRecorder()
	p.api.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		b.Errorf("%s: %d %s", r.URL, w.Code, w.Body)
	}
}

func (p *pages) reference(b *testing.B) {
	rows, err := p.plain.QueryContext(b.Context(), p.rows, string(pagesOf), "")
	if err != nil {
		b.Error(err)
		return
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		b.Error(err)
		return
	}
	row := make([]any, len(columns))
	for i := range row {
		row[i] = new(any)
	}
	n := 0
	for rows.Next() {
		if err := rows.Scan(row...); err != nil {
			b.Error(err)
		}
		n++
	}
	if rows.Err() != nil || n != 100 {
		b.Errorf("%d rows, %v", n, rows.Err())
	}
}

// sequential is how many milliseconds each of n calls takes, rounds times, each
// on an enterprise that has just changed.
func (p *pages) sequential(b *testing.B, rounds, n int, fn func(int)) (took []float64) {
	b.Helper()
	for range rounds {
		for i := range n {
			p.writer.move(b)
			began := time.Now()
			fn(i)
			took = append(took, milliseconds(time.Since(began)))
		}
	}
	return took
}

// rate is how many calls a second eight clients get answered.
func rate(b *testing.B, d time.Duration, fn func(n int64)) float64 {
	b.Helper()
	var running sync.WaitGroup
	var n atomic.Int64
	runtime.GC() // what was measured before leaves nothing to do
	began := time.Now()
	for range 8 {
		running.Go(func() {
			for time.Since(began) < d && !b.Failed() {
				fn(n.Add(1))
			}
		})
	}
	running.Wait()
	return float64(n.Load()) / time.Since(began).Seconds()
}
