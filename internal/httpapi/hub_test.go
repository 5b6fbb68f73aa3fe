package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// ownHub is a hub of its own on the stack's tables.
func (s *stack) ownHub() *hub {
	s.t.Helper()
	a := &api{registry: events.Default()}
	m, err := newStreamMetrics(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return newHub(a.frameOf, slog.New(slog.DiscardHandler), m)
}

// TestHub_readersComeAndGoAtOnce: whoever joins while the last one leaves gets a
// reading that works.
func TestHub_readersComeAndGoAtOnce(t *testing.T) {
	s := newStack(t)
	s.acme()
	s.settle()
	h := s.ownHub()
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for range 300 {
				r, _, err := h.join(t.Context(), s.db.Audit(), "one")
				if err != nil {
					t.Error(err)
					return
				}
				h.leave(r)
			}
		})
	}
	running.Wait()
	if len(h.readers) != 0 || len(h.owners) != 0 || h.current != nil {
		t.Errorf("%d readers of %d owners are left, reading: %t", len(h.readers), len(h.owners), h.current != nil)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := h.join(ctx, s.db.Audit(), "one"); err == nil {
		t.Error("a caller who is gone has joined")
	}
}

func TestHub_oneOwnerDoesNotTakeAllPlaces(t *testing.T) {
	s := newStack(t)
	s.acme()
	s.settle()
	h := s.ownHub()
	var all []*reader
	for range maxReadersOfOne {
		r, _, err := h.join(t.Context(), s.db.Audit(), "one")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if _, _, err := h.join(t.Context(), s.db.Audit(), "one"); !errors.Is(err, errTooManyOfOne) {
		t.Errorf("got %v", err)
	}
	r, _, err := h.join(t.Context(), s.db.Audit(), "other")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range append(all, r) {
		h.leave(r)
	}
}

// TestStream_endsWhenItsTokenIsRevoked, and that of a caller on loopback when
// there are tokens.
func TestStream_endsWhenItsTokenIsRevoked(t *testing.T) {
	s := newStack(t)
	s.acme()
	s.settle()
	server := s.server()
	open := listen(t, server.URL+streamPath)
	open.begun()
	root, _, err := s.tokens.Create(t.Context(), access.Loopback(), access.Grant{Role: access.Admin})
	if err != nil {
		t.Fatal(err)
	}
	viewer, secret, err := s.tokens.Create(t.Context(), access.Loopback(), access.Grant{Role: access.Viewer})
	if err != nil {
		t.Fatal(err)
	}
	held := listen(t, server.URL+streamPath, "Authorization", "Bearer "+secret)
	held.begun()
	if _, err := s.tokens.Revoke(t.Context(), access.Principal{Actor: root.ID, Role: access.Admin}, viewer.ID); err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]*listener{"of the revoked token": held, "without a token": open} {
		ended := make(chan struct{})
		go func() {
			for range l.in {
			}
			close(ended)
		}()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Errorf("the stream %s goes on", name)
		}
	}
}

// TestStream_goesOnFromWhatAListShows: lists may be ahead of what the stream has
// told its readers.
func TestStream_goesOnFromWhatAListShows(t *testing.T) {
	s := newStack(t)
	id := s.acme()
	s.settle()
	server := s.server()
	other := listen(t, server.URL+streamPath)
	other.begun()
	for i := range 60 {
		s.write(200, "PATCH", peersURL+"/"+id, `{"dialing_prefix":"`+strconv.Itoa(i)+`"}`)
		at := shownAs[List[Peer]](s, peersURL).Sequence
		l := listen(t, fmt.Sprintf("%s%s?after_seq=%d", server.URL, streamPath, at))
		if got := l.begun(); got != at {
			t.Fatalf("begun at %d after the list at %d", got, at)
		}
		l.cancel()
	}
}

// lossy is a write loop that has lost the results of the first part, as after a
// crash between its events and its outcome.
func lossy(_ context.Context, req command.Request) (command.Receipt, error) {
	cmd, _ := req.Command.(domain.ChangePeers)
	if req.ID == "key" {
		return command.Receipt{ID: "acme", Sequence: 142, Warnings: []domain.Warning{{Code: command.WarnResultsLost, Message: "lost"}}}, nil
	}
	r := command.Receipt{ID: "acme", Sequence: 150}
	for i := range cmd.Operations {
		r.Results = append(r.Results, domain.OperationResult{Index: i, Result: domain.Done, ID: "p" + strconv.Itoa(i)})
	}
	return r, nil
}

func TestBulk_goesOnBehindAPartWhoseResultsWereLost(t *testing.T) {
	h := newAPI(t, commandsFunc(lossy), &condition{})
	lines := puts(0, 150)
	lines[148] = "{}"
	a := ask(h, "POST", bulkURL, strings.Join(lines, "\n"), "Content-Type", typeNDJSON, "Idempotency-Key", "key")
	r := into[BulkReply](t, a)
	if a.Code != 200 || r.Sequence != 150 || len(r.Results) != 8 || len(r.Warnings) != 1 {
		t.Fatalf("status %d: %.300s", a.Code, a.Body)
	}
	if first, refused := r.Results[0], r.Results[6]; first.Index != 142 || refused.Index != 148 || refused.Result != domain.Refused {
		t.Errorf("the results are %+v", r.Results)
	}
}

// TestBulk_keysOfPartsAreNobodyElses: a key of full length will do, and the parts
// take none that a caller might choose.
func TestBulk_keysOfPartsAreNobodyElses(t *testing.T) {
	s := newStack(t)
	s.write(201, "POST", enterprisesURL, hq)
	key := strings.Repeat("k", 128)
	body := strings.Join(puts(0, 300), "\n")
	r := s.bulk(200, bulkURL, body, "Content-Type", typeNDJSON, "Idempotency-Key", key)
	if n := ends(r); n[domain.Done] != 300 {
		t.Fatalf("got %v", n)
	}
	wantProblem(t, s.write(422, "POST", peersURL, `{"type":"external","description":"x"}`, "Idempotency-Key", key), 422, domain.IDReused, headerIdempotencyKey)
	wantProblem(t, s.write(422, "POST", bulkURL, body+"\n"+put(300), "Content-Type", typeNDJSON, "Idempotency-Key", key), 422, domain.IDReused, headerIdempotencyKey)
	if s.total() != 300 {
		t.Errorf("%d peers", s.total())
	}
	s.settle()
	seen := map[string]int{}
	for _, e := range shownAs[List[Event]](s, eventsPath+"?type=PeerAdded&limit=1000").Items {
		seen[*e.CorrelationID]++
	}
	if len(seen) != 1 || seen[key] != 300 {
		t.Errorf("correlation ids: %v", seen)
	}
}

func TestGate_letsSoManyIn(t *testing.T) {
	g := newGate("things", 3, 2)
	var leaves []func()
	for _, owner := range []string{"a", "a", "b"} {
		leave, err := g.enter(owner)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leave)
	}
	for _, owner := range []string{"a", "c"} {
		var p *Problem
		if _, err := g.enter(owner); !errors.As(err, &p) || p.Status != http.StatusTooManyRequests || p.header.Get("Retry-After") == "" {
			t.Errorf("%s: %v", owner, err)
		}
	}
	leaves[2]()
	leaves[2]()
	if _, err := g.enter("c"); err != nil || g.all != 3 {
		t.Errorf("%v with %d in", err, g.all)
	}
}

func TestGuard_whatWasForwardedIsNotFromHere(t *testing.T) {
	h := newAPI(t, forbidden(t), &condition{})
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		wantProblem(t, ask(h, "GET", enterprisesURL, "", name, "for=192.0.2.1"), 403, domain.Forbidden, name)
	}
}

func TestPaths_idsThatNobodyCanHaveAreNotFound(t *testing.T) {
	s := newStack(t)
	s.acme()
	for _, path := range []string{tokensPath + "/%00", tokensPath + "/%ff", deadEventsPath + "/%00/1", parkedPath + "/%00", peersURL + "/%01", enterprisesURL + "/%c3%28"} {
		wantProblem(t, ask(s.http, "GET", path, ""), 404, domain.NotFound, "")
	}
}

// TestExport_endsWhenItsTokenIsRevoked: what is left of it is not sent.
func TestExport_endsWhenItsTokenIsRevoked(t *testing.T) {
	s := newStack(t)
	s.write(201, "POST", enterprisesURL, hq)
	s.bulk(200, bulkURL, strings.Join(puts(0, 10_000), "\n"), "Content-Type", typeNDJSON, "Reason", strings.Repeat("r", 490)) // more than connections buffer
	s.settle()
	s.bearerOf(access.Admin, "")
	token, secret, err := s.tokens.Create(t.Context(), access.Loopback(), access.Grant{Role: access.Auditor})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server().URL+eventsPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", typeNDJSON)
	req.Header.Set("Authorization", "Bearer "+secret)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := s.tokens.Revoke(t.Context(), access.Loopback(), token.ID); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil {
		t.Errorf("the whole export was sent, %d bytes", n)
	}
	if whole := ask(s.http, "GET", eventsPath, "", "Accept", typeNDJSON, "Authorization", "Bearer "+secret); whole.Code != 401 {
		t.Errorf("the token is still good: %d", whole.Code)
	}
}
