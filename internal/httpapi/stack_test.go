package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/projection"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// The read model answers what the API asks, and the write loop takes what it gives.
var (
	_ Directory = (*readmodel.Directory)(nil)
	_ Commands  = (*command.Handler)(nil)
)

// stack is the API on the real write loop, read loop and tables; only the log
// is the in-memory twin.
type stack struct {
	t        testing.TB
	http     http.Handler
	log      *eventstore.Memory
	outcomes *eventstore.MemoryOutcomes
	command  *command.Handler
	db       *readmodel.DB
	tokens   *access.Keeper
	seen     events.Seq // the newest receipt; reads wait for it
}

func newStack(t testing.TB) *stack {
	t.Helper()
	db, err := readmodel.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	log := eventstore.NewMemory(events.NewCodec(events.Default()))
	outcomes := eventstore.NewMemoryOutcomes()
	handler := command.New(log, outcomes, eventstore.NewMemorySnapshots(), command.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, p := range readmodel.Projections() {
		running.Go(func() { _ = projection.New(log, db, projection.Options{TakeOver: true, Projection: p}).Run(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	s := &stack{t: t, log: log, outcomes: outcomes, command: handler, db: db}
	s.tokens = access.NewKeeper(db.Tokens(), access.Options{})
	s.http = newAPI(t, nil, nil, func(o *Options) { o.Backends = s.backends })
	return s
}

// backends are those of the stack, all of them real but for what a prober fills.
func (s *stack) backends() Backends {
	b := stackProbes(s.db)
	b.Tokens, b.Commands, b.Directory, b.Audit = s.tokens, s.command, s.db.Directory(), s.db.Audit()
	return b
}

// write sends a write and wants this status.
func (s *stack) write(status int, method, target, body string, headers ...string) answer {
	s.t.Helper()
	a := ask(s.http, method, target, body, headers...)
	if a.Code != status {
		s.t.Fatalf("%s %s %.200s: status %d, want %d: %s", method, target, body, a.Code, status, a.Body)
	}
	if status < 300 {
		s.seen = max(s.seen, into[Receipt](s.t, a).Sequence)
	}
	return a
}

// settle waits until every projection shows every write, for reads that do not
// wait themselves.
func (s *stack) settle() {
	s.t.Helper()
	testkit.Eventually(s.t, "the projections", func() bool {
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		defer cancel()
		return errors.Join(s.db.Directory().Await(ctx, "", s.seen), s.db.Audit().Await(ctx, "", s.seen), s.db.Timeline().Await(ctx, "", s.seen)) == nil
	})
}

// read sends a read that sees every write before it.
func (s *stack) read(target string, headers ...string) answer {
	s.t.Helper()
	sign := "?"
	if strings.Contains(target, "?") {
		sign = "&"
	}
	return ask(s.http, "GET", fmt.Sprintf("%s%smin_seq=%d", target, sign, s.seen), "", headers...)
}

func shownAs[T any](s *stack, target string) T {
	s.t.Helper()
	a := s.read(target)
	if a.Code != 200 {
		s.t.Fatalf("GET %s: status %d: %s", target, a.Code, a.Body)
	}
	return into[T](s.t, a)
}

const hq = `{"id":"Acme","description":"HQ","domain":"acme.example","server":{"hostname":"uc1.acme.example","address":"192.0.2.10","version":"9.8","deployment":"standard"}}`

// acme registers the enterprise acme with the peer Lyon and returns its id.
func (s *stack) acme() (peer string) {
	s.t.Helper()
	s.write(201, "POST", enterprisesURL, hq)
	a := s.write(201, "POST", peersURL, `{"type":"micollab","description":"Lyon","hostname":"UC1.Lyon.example.","peer_enterprise_id":"Lyon1","version":"9.7.1"}`)
	return into[Receipt](s.t, a).ID
}

func TestStack_onePatchMovesPeerAndTrustedServer(t *testing.T) {
	s := newStack(t)
	id := s.acme()
	entry := trustedURL + "/" + string(events.TrustedServerOfPeer(events.PeerID(id)))
	if got := shownAs[TrustedServer](s, entry); got.Host != "uc1.lyon.example" || got.Origin != "peer" || got.PeerID == nil || *got.PeerID != id {
		t.Errorf("the peer's entry is %+v", got)
	}
	s.write(200, "PATCH", peersURL+"/"+id, `{"address":"192.0.2.21","description":"Lyon 2"}`, "Reason", "moved")
	peer := shownAs[Peer](s, peersURL+"/"+id)
	got := shownAs[TrustedServer](s, entry)
	if peer.Address == nil || *peer.Address != "192.0.2.21" || got.Host != "192.0.2.21" || got.Since.Reason != "moved" || got.Since.Actor != loopbackActor {
		t.Errorf("peer %+v, entry %+v", peer, got)
	}
	if peer.Description != "Lyon 2" || peer.Port == nil || *peer.Port != 443 || peer.UPNPresence.Value != "yes" {
		t.Errorf("peer %+v", peer)
	}
	s.write(200, "PATCH", peersURL+"/"+id, `{"address":null}`, "Content-Type", "application/merge-patch+json")
	if got := shownAs[TrustedServer](s, entry); got.Host != "uc1.lyon.example" {
		t.Errorf("the entry does not follow the hostname again: %+v", got)
	}
	p := wantProblem(t, ask(s.http, "PATCH", entry, `{"host":"192.0.2.99"}`), 422, domain.FollowsPeer, "host")
	if string(p.Peer) != id {
		t.Errorf("follows_peer names %q, want %q", p.Peer, id)
	}
	s.write(200, "PATCH", entry, `{"description":"Trusted Lyon"}`)
	if got := shownAs[TrustedServer](s, entry); got.Description != "Trusted Lyon" {
		t.Errorf("the entry is called %q", got.Description)
	}
}

func TestStack_serverOfAnEnterpriseIsWrittenBackAsItReads(t *testing.T) {
	s := newStack(t)
	s.acme()
	s.write(200, "PATCH", enterpriseURL, `{"server":{"address":null,"version":""}}`)
	read := shownAs[Enterprise](s, enterpriseURL)
	if read.Server.Address != nil || read.Server.Version != nil {
		t.Errorf("withdrawn, and reads %+v", read.Server)
	}
	same, err := json.Marshal(map[string]any{"server": read.Server})
	if err != nil {
		t.Fatal(err)
	}
	before := s.seen
	s.write(200, "PATCH", enterpriseURL, string(same))
	if after := shownAs[Enterprise](s, enterpriseURL); after.Revision != before {
		t.Errorf("writing back what was read made revision %d of %d", after.Revision, before)
	}
}

func TestStack_hostIsFoundHoweverItIsWritten(t *testing.T) {
	s := newStack(t)
	s.acme()
	s.write(201, "POST", trustedURL, `{"description":"By hand","host":"2001:DB8:0::A","type":"im"}`)
	for host, want := range map[string]int{
		"2001:db8::a": 1, "2001:DB8:0:0::A": 1, "UC1.Lyon.example.": 1, "uc1.lyon.example": 1, "uc9.lyon.example": 0,
	} {
		for _, list := range []string{trustedURL, "/api/v1/trusted-servers"} {
			if got := len(shownAs[List[TrustedServer]](s, list+"?host="+url.QueryEscape(host)).Items); got != want {
				t.Errorf("%s?host=%s: %d entries, want %d", list, host, got, want)
			}
		}
	}
	wantProblem(t, s.read(trustedURL+"?host=a%20b"), 422, domain.Invalid, "host")
}

func TestStack_whatIsDeletedIsGoneWithItsStory(t *testing.T) {
	s := newStack(t)
	id := s.acme()
	s.write(201, "POST", trustedURL, `{"description":"By hand","host":"uc1.lyon.example","type":"im"}`)
	a := s.write(200, "DELETE", peersURL+"/"+id, "", "Reason", "office closed")
	if w := into[Receipt](t, a).Warnings; len(w) != 1 {
		t.Errorf("a host that stays trusted is not warned of: %s", a.Body)
	}
	entry := trustedURL + "/peer-" + id
	for _, target := range []string{peersURL + "/" + id, entry} {
		p := wantProblem(t, s.read(target), 410, domain.Gone, "")
		if p.DeletedBy != loopbackActor || p.Reason != "office closed" || p.Sequence != s.seen || p.DeletedAt == nil {
			t.Errorf("%s: the story is %+v", target, p)
		}
	}
	for _, w := range []struct{ method, target, body string }{
		{"PATCH", peersURL + "/" + id, `{"enabled":false}`}, {"DELETE", peersURL + "/" + id, ""}, {"POST", peersURL + "/" + id + "/enable", ""},
	} {
		p := into[Problem](t, ask(s.http, w.method, w.target, w.body))
		if p.Code != domain.Gone || p.DeletedBy != loopbackActor || p.Reason != "office closed" {
			t.Errorf("%s %s: %+v", w.method, w.target, p)
		}
	}
	deleted := shownAs[List[Peer]](s, peersURL+"?deleted=true").Items
	if len(deleted) != 1 || deleted[0].Deleted == nil || deleted[0].Deleted.Reason != "office closed" {
		t.Errorf("the deleted are %+v", deleted)
	}
	if living := shownAs[List[Peer]](s, peersURL).Items; len(living) != 0 {
		t.Errorf("the living are %+v", living)
	}
	s.write(201, "POST", peersURL, `{"type":"micollab","description":"lyon","hostname":"uc1.lyon.example","peer_enterprise_id":"lyon1"}`)
}

func TestStack_removedEnterpriseIsGoneWithItsLists(t *testing.T) {
	s := newStack(t)
	id := s.acme()
	wantCode(t, ask(s.http, "DELETE", enterpriseURL, ""), 422, domain.Invalid)
	s.write(200, "DELETE", peersURL+"/"+id, "")
	s.write(200, "DELETE", enterpriseURL, "", "Reason", "sold")
	for _, target := range []string{enterpriseURL, peersURL, trustedURL} {
		if p := wantProblem(t, s.read(target), 410, domain.Gone, ""); p.Reason != "sold" {
			t.Errorf("%s: %+v", target, p)
		}
	}
	for _, target := range []string{enterprisesURL + "/other", enterprisesURL + "/other/peers", enterprisesURL + "/other/trusted-servers", enterprisesURL + "/other/peers/p1"} {
		wantProblem(t, s.read(target), 404, domain.NotFound, "")
	}
	wantCode(t, ask(s.http, "DELETE", enterprisesURL+"/other", ""), 404, domain.NotFound)
	if rows := shownAs[List[Enterprise]](s, enterprisesURL).Items; len(rows) != 0 {
		t.Errorf("the enterprises are %+v", rows)
	}
}

func TestStack_ifMatchLetsOneOfTwoEditorsThrough(t *testing.T) {
	s := newStack(t)
	id := s.acme()
	for _, target := range []string{enterpriseURL, peersURL + "/" + id} {
		read := s.read(target)
		etag := read.Header.Get("ETag")
		s.write(200, "PATCH", target, `{"description":"First"}`, "If-Match", etag)
		first := s.seen
		p := wantCode(t, ask(s.http, "PATCH", target, `{"description":"Second"}`, "If-Match", etag), 412, domain.Stale)
		if p.Current != first || p.ChangedBy != loopbackActor || p.ChangedAt == nil {
			t.Errorf("%s: stale says %+v, want revision %d", target, p, first)
		}
		if again := s.read(target); again.Header.Get("ETag") == etag {
			t.Errorf("%s: changed, and the ETag is still %s", target, etag)
		}
	}
}

func TestStack_idempotencyKeyHasOneEffectAndOneAnswer(t *testing.T) {
	s := newStack(t)
	s.write(201, "POST", enterprisesURL, hq, "Idempotency-Key", "reg-1")
	s.write(201, "POST", enterprisesURL, hq, "Idempotency-Key", "reg-1")
	const body = `{"type":"external","description":"Partner"}`
	first := s.write(201, "POST", peersURL, body, "Idempotency-Key", "add-1")
	again := s.write(201, "POST", peersURL, body, "Idempotency-Key", "add-1")
	if first.Body != again.Body || first.Header.Get("Location") != again.Header.Get("Location") {
		t.Errorf("first %s, again %s", first.Body, again.Body)
	}
	wantProblem(t, ask(s.http, "POST", peersURL, `{"type":"external","description":"Other"}`, "Idempotency-Key", "add-1"), 422, domain.IDReused, "Idempotency-Key")
	wantProblem(t, ask(s.http, "POST", peersURL, body), 409, domain.Exists, "description")
	if rows := shownAs[List[Peer]](s, peersURL).Items; len(rows) != 1 {
		t.Errorf("%d peers, want 1", len(rows))
	}
}

func TestStack_headersAreJudgedByTheWriteLoop(t *testing.T) {
	s := newStack(t)
	disable := peersURL + "/" + s.acme() + "/disable"
	long := strings.Repeat("x", 2000)
	for _, c := range []struct{ header, value string }{
		{"Idempotency-Key", "a b"},
		{"Idempotency-Key", "a.b"},
		{"Idempotency-Key", `""`},
		{"Idempotency-Key", long},
		{"Reason", "a\x00b"},
		{"Reason", "a\tb"},
		{"Reason", "K\xf6ln"},
		{"Reason", "a\u0085b"},
		{"Reason", long},
		{"Actor", "a\x1b[31mb"},
		{"Actor", long},
	} {
		a := ask(s.http, "POST", disable, "", c.header, c.value)
		if p := into[Problem](t, a); (a.Code != 400 && a.Code != 422) || p.Field != c.header || p.Detail == "" {
			t.Errorf("%s %.20q: status %d: %s", c.header, c.value, a.Code, a.Body)
		}
	}
	s.write(200, "POST", disable, "", "Traceparent", "not one", "Reason", "  Umzug nach Köln ", "Actor", "j.doe")
}

func TestStack_disablingMaintenanceAndNotices(t *testing.T) {
	s := newStack(t)
	id := s.acme()
	peer := peersURL + "/" + id
	s.write(200, "POST", peer+"/disable", "")
	if rows := shownAs[List[TrustedServer]](s, trustedURL).Items; len(rows) != 0 {
		t.Errorf("a disabled peer is trusted: %+v", rows)
	}
	if got := shownAs[List[Peer]](s, peersURL+"?enabled=false&status=disabled").Items; len(got) != 1 {
		t.Errorf("disabled peers: %+v", got)
	}
	before := s.seen
	s.write(200, "POST", peer+"/disable", "{}")
	if s.seen != before {
		t.Errorf("nothing to change moved the log to %d", s.seen)
	}
	s.write(200, "POST", peer+"/enable", "")
	if rows := shownAs[List[TrustedServer]](s, allTrustedURL+"?origin=peer&enterprise=ACME").Items; len(rows) != 1 {
		t.Errorf("an enabled peer is not trusted: %+v", rows)
	}
	start := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	s.write(200, "POST", peer+"/maintenance", fmt.Sprintf(`{"start":%q,"end":%q,"note":"upgrade"}`, start.Format(time.RFC3339), start.Add(time.Hour).Format(time.RFC3339)))
	if got := shownAs[Peer](s, peer).Maintenance; got == nil || !got.Start.Equal(start) || got.Note != "upgrade" {
		t.Errorf("the maintenance is %+v", got)
	}
	s.write(200, "DELETE", peer+"/maintenance", "")
	if got := shownAs[Peer](s, peer).Maintenance; got != nil {
		t.Errorf("the cancelled maintenance is %+v", got)
	}
	receipt, err := s.command.Handle(t.Context(), command.Request{Enterprise: "acme", Actor: "reaction", Command: domain.RaisePeerNotice{
		Peer: events.PeerID(id), Changes: []events.NoticeChange{{Field: "address", From: "192.0.2.9", To: "192.0.2.10"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.seen = receipt.Sequence
	if got := shownAs[Peer](s, peer).Notice; got == nil || len(got.Changes) != 1 {
		t.Errorf("the notice is %+v", got)
	}
	s.write(200, "POST", peer+"/acknowledge", "")
	if got := shownAs[Peer](s, peer).Notice; got != nil {
		t.Errorf("the notice that was ticked off is %+v", got)
	}
}
