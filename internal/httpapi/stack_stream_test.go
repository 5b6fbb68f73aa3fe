package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// sse is one event of a stream.
type sse struct {
	ID, Event, Data string
}

// listener reads a stream from a real server.
type listener struct {
	t      testing.TB
	cancel context.CancelFunc
	in     chan sse // closed when the stream has ended
}

// server serves the stack on a real listener, as programs do.
func (s *stack) server() *httptest.Server {
	s.t.Helper()
	server := httptest.NewUnstartedServer(s.http)
	server.Config = NewServer(s.http, nil)
	server.Start()
	s.t.Cleanup(server.Close)
	return server
}

func listen(t testing.TB, url string, headers ...string) *listener {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{Transport: &http.Transport{}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{t: t, cancel: cancel, in: make(chan sse, 10_000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(l.in)
		l.read(bufio.NewScanner(resp.Body))
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = resp.Body.Close()
		client.CloseIdleConnections()
	})
	return l
}

func (l *listener) read(lines *bufio.Scanner) {
	lines.Buffer(nil, 1<<20)
	var e sse
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "id":
			e.ID = value
		case "event":
			e.Event = value
		case "data":
			e.Data = value
		case "":
			if e != (sse{}) {
				l.in <- e
			}
			e = sse{}
		}
	}
}

// next returns the next event that is no ping.
func (l *listener) next() (sse, Event) {
	l.t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case e, ok := <-l.in:
			if !ok {
				l.t.Fatal("the stream has ended")
			}
			if e.Event == "ping" {
				continue
			}
			var ev Event
			if err := json.Unmarshal([]byte(e.Data), &ev); err != nil {
				l.t.Fatalf("%v in %q", err, e.Data)
			}
			return e, ev
		case <-timeout:
			l.t.Fatal("no event came")
		}
	}
}

// begun waits for the first ping: the reader has caught up.
func (l *listener) begun() events.Seq {
	l.t.Helper()
	for e := range l.in {
		if e.Event == "ping" {
			n, err := strconv.ParseUint(e.ID, 10, 64)
			if err != nil {
				l.t.Fatal(err)
			}
			return events.Seq(n)
		}
	}
	l.t.Fatal("the stream ended before it began")
	return 0
}

func TestStream_sendsWhatHappensAfterListsShowIt(t *testing.T) {
	s := newStack(t)
	id := s.acme()
	s.settle()
	server := s.server()
	l := listen(t, server.URL+streamPath)
	l.begun()
	for i := range 50 {
		s.write(200, "PATCH", peersURL+"/"+id, `{"dialing_prefix":"`+strconv.Itoa(i)+`"}`, "Reason", "change "+strconv.Itoa(i))
		e, ev := l.next()
		if ev.Sequence != s.seen || e.ID != strconv.FormatUint(uint64(s.seen), 10) || ev.Type != "PeerDialingPrefixChanged" || ev.Peer == nil || *ev.Peer != id {
			t.Fatalf("got %+v, want the event at %d", e, s.seen)
		}
		if ev.Reason == nil || *ev.Reason != "change "+strconv.Itoa(i) || len(ev.Changes) != 1 || ev.Changes[0].After != strconv.Itoa(i) {
			t.Errorf("the event reads %+v", ev)
		}
		// No min_seq: what the stream told of is there.
		if p := into[Peer](t, ask(s.http, "GET", peersURL+"/"+id, "")); p.DialingPrefix == nil || *p.DialingPrefix != strconv.Itoa(i) {
			t.Fatalf("after the event at %d the peer reads %+v", ev.Sequence, p.DialingPrefix)
		}
	}
}

func TestStream_whoComesBackMissesNothing(t *testing.T) {
	s := newStack(t)
	id := s.acme()
	server := s.server()
	first := listen(t, server.URL+streamPath+"?after_seq=0")
	e, _ := first.next()
	first.cancel()
	for i := range 1200 {
		s.write(200, "PATCH", peersURL+"/"+id, `{"dialing_prefix":"`+strconv.Itoa(i)+`"}`)
	}
	s.settle()
	again := listen(t, server.URL+streamPath, headerLastEventID, e.ID)
	last, err := strconv.Atoi(e.ID)
	if err != nil {
		t.Fatal(err)
	}
	for want := last + 1; want <= int(s.seen); want++ {
		if _, ev := again.next(); int(ev.Sequence) != want {
			t.Fatalf("got %d after coming back, want %d", ev.Sequence, want)
		}
	}
	s.write(200, "POST", peersURL+"/"+id+"/disable", "")
	if _, ev := again.next(); ev.Sequence != s.seen {
		t.Errorf("got %d, want the new event %d", ev.Sequence, s.seen)
	}
}

func TestStream_filters(t *testing.T) {
	s := newStack(t)
	id := s.acme()
	s.write(201, "POST", enterprisesURL, strings.NewReplacer("Acme", "other", "acme", "other").Replace(hq))
	s.settle()
	server := s.server()
	ofAcme := listen(t, server.URL+streamPath+"?enterprise=ACME")
	ofPeer := listen(t, server.URL+streamPath+"?peer="+id)
	ofType := listen(t, server.URL+streamPath+"?type=EnterpriseDescribed")
	for _, l := range []*listener{ofAcme, ofPeer, ofType} {
		l.begun()
	}
	s.write(200, "PATCH", enterprisesURL+"/other", `{"description":"x"}`)
	described := s.seen
	s.write(200, "PATCH", enterprisesURL+"/acme", `{"domain":"acme2.example"}`)
	domain := s.seen
	s.write(200, "POST", peersURL+"/"+id+"/disable", "")
	for l, want := range map[*listener]events.Seq{ofAcme: domain, ofPeer: s.seen, ofType: described} {
		if _, ev := l.next(); ev.Sequence != want {
			t.Errorf("got %d first, want %d", ev.Sequence, want)
		}
	}
}

func TestStream_refuses(t *testing.T) {
	s := newStack(t)
	s.acme()
	s.settle()
	for _, c := range []struct{ target, header, field, code string }{
		{"", "no-number", headerLastEventID, "malformed"},
		{"", "999999", headerLastEventID, "invalid"},
		{"?after_seq=-1", "", "after_seq", "invalid"},
		{"?type=Nothing", "", "type", "invalid"},
		{"?enterprise=x", "", "enterprise", "invalid"},
		{"?peer=a.b", "", "peer", "invalid"},
		{"?q=x", "", "q", "invalid"},
	} {
		p := into[Problem](t, ask(s.http, "GET", streamPath+c.target, "", headerLastEventID, c.header))
		if string(p.Code) != c.code || p.Field != c.field {
			t.Errorf("%s with id %q: got %s at %q: %s", c.target, c.header, p.Code, p.Field, p.Detail)
		}
	}
	if a := ask(s.http, "HEAD", streamPath, ""); a.Code != 200 || a.Header.Get("Content-Type") != typeEvents {
		t.Errorf("HEAD: %d %s", a.Code, a.Header.Get("Content-Type"))
	}
}

// TestStream_slowReadersAreCutOffAndOthersAreNot: a reader that reads nothing
// costs a bounded buffer, and nobody waits for it.
func TestStream_slowReadersAreCutOffAndOthersAreNot(t *testing.T) {
	s := newStack(t)
	id := s.acme()
	s.settle()
	a := &api{log: slog.New(slog.DiscardHandler), registry: events.Default()}
	m, err := newStreamMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	a.hub = newHub(a.frameOf, a.log, m)
	slow, _, err := a.hub.join(t.Context(), s.db.Audit(), "one")
	if err != nil {
		t.Fatal(err)
	}
	quick, _, err := a.hub.join(t.Context(), s.db.Audit(), "one")
	if err != nil {
		t.Fatal(err)
	}
	got := events.Seq(0)
	for got < s.seen || s.seen < 200 {
		s.write(200, "PATCH", peersURL+"/"+id, `{"dialing_prefix":"`+strconv.Itoa(int(s.seen))+`"}`)
		for got < s.seen {
			p := <-quick.parts
			for _, f := range p.frames {
				got = f.seq
			}
		}
	}
	<-slow.slow
	a.hub.leave(slow)
	a.hub.leave(quick)
}

// TestStream_endsWithTheProgram: a stream never ends by itself, and a server
// that stops does not wait for it.
func TestStream_endsWithTheProgram(t *testing.T) {
	s := newStack(t)
	s.acme()
	ending := make(chan struct{})
	s.http = newAPI(t, s.command, s.db.Directory(), func(o *Options) {
		o.Backends, o.Ending = s.backends, ending
	})
	l := listen(t, s.server().URL+streamPath)
	l.begun()
	close(ending)
	testkit.Eventually(t, "the stream to end", func() bool {
		select {
		case _, ok := <-l.in:
			return !ok
		default:
			return false
		}
	})
}
