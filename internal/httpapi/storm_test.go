package httpapi

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// stormRequests is how many random requests the storm sends.
const stormRequests = 100_000

// storm draws requests as bytes, for a server on the other side of a connection.
type storm struct {
	*rand.Rand
	paths  []string // of the OpenAPI document, with ids
	secret string
	counts map[int]int // of answers, by status
}

func pick[T any](s *storm, list ...T) T { return list[s.IntN(len(list))] }

func (s *storm) junk(most int) string {
	b := make([]byte, s.IntN(most+1))
	for i := range b {
		b[i] = byte(s.IntN(256))
	}
	return string(b)
}

// text is junk without what would end a line.
func (s *storm) text(most int) string {
	return strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(s.junk(most))
}

func (s *storm) target() string {
	path := pick(s, s.paths...)
	switch s.IntN(16) {
	case 0:
		path += "/../../" + pick(s, "etc/passwd", "..%2f..%2fetc", "%00", ".", "//", "\\..\\")
	case 1:
		path = "/" + strings.Join([]string{s.text(20), s.text(20)}, "/")
	case 2:
		path = strings.Replace(path, "acme", pick(s, "%2e%2e", "ACME", strings.Repeat("a", 5000), "a.b.>", "*", "%ff%fe", "acme%00"), 1)
	}
	if s.IntN(2) == 0 {
		names := []string{"q", "sort", "limit", "cursor", "min_seq", "status", "enterprise", "peer", "type", "from", "to", "after_seq", "dry_run", "atomic", "deleted", "x"}
		values := []string{"", "1", "-1", "99999999999999999999", "true", "%00", "%zz", "'%20OR%201=1--", "description", "-updated_at", "e", "acme", "2026-01-01T00:00:00Z", "%F0%9F%98%80", strings.Repeat("x", 3000)}
		for i := range 1 + s.IntN(3) {
			path += pick(s, "?", "&")[:1]
			if i == 0 {
				path = strings.TrimSuffix(path, "&")
				path = strings.TrimSuffix(path, "?") + "?"
			}
			path += pick(s, names...) + "=" + pick(s, values...)
		}
	}
	return strings.ReplaceAll(path, " ", "%20")
}

// request draws one request; whole is false when it does not say where it ends,
// so that the connection is of no use after it.
func (s *storm) request() (text string, whole bool) {
	method := pick(s, "GET", "GET", "GET", "POST", "POST", "POST", "PATCH", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "BREW", "get")
	body := pick(s, "", "", "{}", `{"type":"external","description":"x"}`, `{"operations":[{"op":"put","type":"external","description":"A"}]}`,
		`{"reason":1}`, "null", "[", strings.Repeat("[", 5000), `{"description":"\ud800"}`, "\x00\x01", s.junk(200), `{"a":`+strings.Repeat(`{"a":`, 40)+"1", `{"role":"viewer","note":"`+strings.Repeat("n", 200)+`"}`)
	target := s.target()
	if method == http.MethodDelete && strings.HasSuffix(target, "/acme") {
		method = http.MethodPatch // everything else is in it
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, pick(s, "localhost", "peering.example", "10.1.2.3:80", "[::1]:1"))
	switch s.IntN(5) {
	case 0, 1, 2:
		b.WriteString("Authorization: Bearer " + s.secret + "\r\n")
	case 3:
		b.WriteString("Authorization: " + pick(s, "Bearer "+strings.Repeat("t", s.IntN(90)), "Basic eDp5", "Bearer", "") + "\r\n")
	}
	for range s.IntN(4) {
		b.WriteString(pick(s, "Content-Type", "If-Match", "Idempotency-Key", "Reason", "Actor", "Traceparent", "Origin", "Accept", "Content-Encoding", "Last-Event-ID", "X-"+strings.Repeat("x", 10)) + ": " +
			pick(s, "application/json", "application/x-ndjson", "text/csv", `"1.1"`, "*", "gzip", "99999999", strings.Repeat("v", 2000), "é"+string(rune(0x4e00+s.IntN(99)))) + "\r\n")
	}
	if s.IntN(2) == 0 {
		b.WriteString("Content-Type: " + pick(s, "application/json", "application/json", "application/merge-patch+json", "application/x-ndjson") + "\r\n")
	}
	if s.IntN(40) == 0 {
		b.WriteString("X-" + pick(s, "Huge: "+strings.Repeat("h", 40<<10), "Odd: "+s.text(50), s.text(9)+": 1") + "\r\n")
	}
	if s.IntN(500) == 0 {
		body = strings.Repeat("x", 1100<<10)
	}
	switch s.IntN(30) {
	case 0:
		fmt.Fprintf(&b, "Content-Length: %s\r\n\r\n%s", pick(s, "-1", "x", "99999999999999999999"), body)
		return b.String(), false
	case 1:
		b.WriteString("Transfer-Encoding: chunked\r\n\r\n" + pick(s, "zz\r\n", "5\r\nab", "fffffffffffffffff\r\n"))
		return b.String(), false
	case 2:
		return s.junk(400) + "\r\n\r\n", false
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.String(), true
}

// TestStorm_100000RandomRequests: wrong methods, paths, headers, encodings and
// bodies over real connections, with and without a token. None is answered with a
// 500 or tells of what is inside, and nothing grows.
func TestStorm_100000RandomRequests(t *testing.T) {
	requests := stormRequests
	if testing.Short() {
		requests /= 10
	}
	s := newStack(t)
	peer := s.acme()
	s.settle()
	s.http = newAPI(t, nil, nil, func(o *Options) {
		o.Backends, o.Limits = s.backends, Limits{PerToken: 1 << 20, PerAddress: 1 << 20}
	})
	var paths []string
	for path := range into[walked](t, ask(s.http, "GET", "/openapi.json", "")).Paths {
		if path != streamPath { // it does not end by itself
			paths = append(paths, strings.NewReplacer("{enterprise}", "acme", "{peer}", peer, "{trusted_server}", string(events.TrustedServerOfPeer(events.PeerID(peer))), "{token}", "none", "{projection}", "directory", "{sequence}", "1").Replace(path))
		}
	}
	slices.Sort(paths)
	secret := s.bearerOf(access.Admin, "")
	server := s.server()
	seed := uint64(time.Now().UnixNano())
	var mu sync.Mutex
	counts := map[int]int{}
	defer func() { t.Logf("seed %d, answers by status: %v", seed, counts) }()
	blow := func(n int) {
		var workers sync.WaitGroup
		for w := range 8 {
			workers.Go(func() {
				s := &storm{rand.New(rand.NewPCG(seed+uint64(n), uint64(w))), paths, secret, map[int]int{}}
				s.blow(t, server.Listener.Addr().String(), n/8)
				mu.Lock()
				defer mu.Unlock()
				for status, count := range s.counts {
					counts[status] += count
				}
			})
		}
		workers.Wait()
	}
	blow(requests / 10) // what is made once is made then
	s.gone(peer)
	goroutines, heap := settled()
	blow(requests * 9 / 10)
	testkit.Eventually(t, "the goroutines to end", func() bool { n, _ := settled(); return n <= goroutines+20 })
	for _, status := range []int{200, 400, 401, 403, 404, 405, 410, 415, 422} {
		if counts[status] == 0 {
			t.Errorf("nothing was answered with %d: the storm is a breeze", status)
		}
	}
	if _, now := settled(); now > heap*2+(32<<20) {
		t.Errorf("the heap has grown from %d to %d bytes", heap, now)
	}
}

// gone deletes the peer, unless the storm has done so, or removed its enterprise.
func (s *stack) gone(peer string) {
	s.t.Helper()
	var refused *domain.Error
	req := command.Request{Enterprise: "acme", Actor: "test", Command: domain.DeletePeer{Peer: events.PeerID(peer)}}
	if _, err := s.command.Handle(s.t.Context(), req); err != nil && !errors.As(err, &refused) {
		s.t.Fatal(err)
	}
}

// settled counts goroutines and the bytes in use after a collection.
func settled() (goroutines int, heap uint64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), m.HeapAlloc
}

// blow sends n requests, one after the other on a connection for as long as it
// is of use.
func (s *storm) blow(t *testing.T, address string, n int) {
	var conn net.Conn
	var in *bufio.Reader
	hangUp := func() {
		if conn != nil {
			_ = conn.Close()
			conn = nil
		}
	}
	defer hangUp()
	for range n {
		if conn == nil {
			var err error
			if conn, err = net.Dial("tcp", address); err != nil {
				t.Error(err)
				return
			}
			in = bufio.NewReader(conn)
		}
		text, whole := s.request()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(conn, text); err != nil { // it has answered already
			whole = false
		}
		if !whole {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
		resp, err := http.ReadResponse(in, &http.Request{Method: text[:max(strings.IndexByte(text, ' '), 0)]})
		if err != nil {
			if whole {
				t.Errorf("no answer to %.300q: %v", text, err)
			}
			hangUp()
			continue
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		s.judge(t, text, resp, body)
		if err != nil || !whole || resp.Close {
			hangUp()
		}
	}
}

// judge looks at one answer.
func (s *storm) judge(t *testing.T, text string, resp *http.Response, body []byte) {
	s.counts[resp.StatusCode]++
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	switch {
	case resp.StatusCode >= 500 && resp.StatusCode != http.StatusServiceUnavailable && resp.StatusCode != http.StatusHTTPVersionNotSupported && resp.StatusCode != http.StatusNotImplemented:
		t.Errorf("%.300q is answered %d: %s", text, resp.StatusCode, body)
	case kind == "text/plain": // net/http itself, before anybody here sees it
		if resp.StatusCode < 400 || len(body) > 200 {
			t.Errorf("%.300q is answered %d: %s", text, resp.StatusCode, body)
		}
	case resp.StatusCode >= 400 && len(body) > 0:
		var p Problem
		if kind != problemType || json.Unmarshal(body, &p) != nil || p.Status != resp.StatusCode || p.Code == "" {
			t.Errorf("%.300q is answered %d, which is no problem document: %s", text, resp.StatusCode, body)
		}
	}
	for _, inside := range []string{"goroutine ", ".go:", "runtime error", "SQLITE", "sqlite", "SELECT ", "pgx", "nats:", s.secret} {
		if strings.Contains(string(body), inside) && !strings.Contains(text, inside) {
			t.Errorf("%.300q is answered with what is inside (%s): %s", text, inside, body)
		}
	}
}
