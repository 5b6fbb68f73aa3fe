package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const (
	probeURL = peerURL + "/probe"
	testURL  = peersURL + ":test"
)

func TestProbe_answersWithWhatWasFound(t *testing.T) {
	p := newProbing()
	a := ask(p.api(t), "POST", probeURL, "")
	if a.Code != 200 || len(p.prober.probed) != 1 || p.prober.probed[0] != "acme p1" {
		t.Fatalf("status %d: %s; asked %v", a.Code, a.Body, p.prober.probed)
	}
	mismatch := `{"layer":"tls","code":"name_mismatch","message":"the certificate is for other names"}`
	want := object(t, `{"steps":[
		{"layer":"dns","ok":true,"code":null,"message":"resolves to 192.0.2.20","took_ms":3.1},
		{"layer":"connect","ok":true,"code":null,"message":"connected to port 443","took_ms":11.4},
		{"layer":"tls","ok":false,"code":"name_mismatch","message":"the certificate is for other names","took_ms":24.9}],
		"ok":false,"cause":`+mismatch+`,"status":"down","status_cause":`+mismatch+`,"version":null,
		"certificate":{"not_after":"2026-05-30T12:00:00Z","days_left":90,"issuer":"CN=Example CA","subject":"CN=uc.lyon.example"},
		"addresses":["192.0.2.20"],"latency_ms":null,"started_at":"2026-03-01T12:00:00Z","prober":"host-1","sequence":57}`)
	if diff := cmp.Diff(want, into[map[string]any](t, a)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestProbe_withoutAStatusItIsWhatItWas: unknown would be another.
func TestProbe_withoutAStatusItIsWhatItWas(t *testing.T) {
	p := newProbing()
	p.prober.report.Status, p.prober.report.StatusCause = "", events.Cause{}
	r := into[map[string]any](t, ask(p.api(t), "POST", probeURL, ""))
	if status, there := r["status"]; !there || status != nil || r["status_cause"] != nil {
		t.Errorf("got %v", r)
	}
}

func TestProbe_ofAPeerThatIsUpHasNoCause(t *testing.T) {
	p := newProbing()
	p.prober.report = ProbeReport{OK: true, Status: events.StatusUp, Version: "9.8", LatencyMS: 31.5, Started: noon(), Prober: "host-2"}
	want := object(t, `{"steps":[],"ok":true,"cause":null,"status":"up","status_cause":null,"version":"9.8","certificate":null,
		"addresses":[],"latency_ms":31.5,"started_at":"2026-03-01T12:00:00Z","prober":"host-2","sequence":0}`)
	if diff := cmp.Diff(want, into[map[string]any](t, ask(p.api(t), "POST", probeURL, ""))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestProbe_isRefusedBeforeTheProberIsAsked when the peer is none to look at.
func TestProbe_isRefusedBeforeTheProberIsAsked(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*condition)
		status int
		code   domain.Code
	}{
		"never was":  {func(d *condition) { d.err = readmodel.ErrNotFound }, 404, domain.NotFound},
		"gone":       {func(d *condition) { d.peer.Deleted = &readmodel.Removal{By: "bob", At: noon()} }, 410, domain.Gone},
		"external":   {func(d *condition) { d.peer.Type = events.PeerExternal }, 422, domain.Invalid},
		"disabled":   {func(d *condition) { d.peer.Enabled = false }, 422, domain.Invalid},
		"no answer":  {func(d *condition) { d.err = readmodel.ErrUnavailable }, 503, codeUnavailable},
		"held":       {func(d *condition) { d.err = &readmodel.HeldError{Enterprise: "acme", HeldAt: 3} }, 503, codeHeld},
		"unexpected": {func(d *condition) { d.err = errors.New("sql: secret") }, 500, codeInternal},
	} {
		p := newProbing()
		c.change(p.directory)
		problem := wantCode(t, ask(p.api(t), "POST", probeURL, ""), c.status, c.code)
		if n := p.prober.asked(); n != 0 {
			t.Errorf("%s: the prober was asked %d times", name, n)
		}
		if strings.Contains(problem.Detail, "secret") {
			t.Errorf("%s: %q", name, problem.Detail)
		}
	}
}

func TestProbe_whatKeepsTheProberFromLooking(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   domain.Code
		says   string
	}{
		{ErrNoProber, 503, codeUnavailable, "No prober answers"},
		{ErrNotProbed, 409, codeConflict, "does not know the peer"},
		{ErrProberBusy, 429, codeTooMany, "too many"},
		{context.DeadlineExceeded, 503, codeUnavailable, "too long"},
		{errors.New("nats: secret"), 500, codeInternal, "log"},
	} {
		p := newProbing()
		p.prober.err = fmt.Errorf("ask: %w", c.err)
		h := p.api(t)
		for _, a := range []answer{ask(h, "POST", probeURL, ""), ask(h, "POST", testURL, `{"hostname":"uc1.lyon.example"}`)} {
			if got := wantProblem(t, a, c.status, c.code, ""); !strings.Contains(got.Detail, c.says) || strings.Contains(got.Detail, "secret") {
				t.Errorf("%v is told as %q", c.err, got.Detail)
			}
		}
	}
}

// TestProbe_takesNoLongerThanItMay: a prober that does not answer is given up
// before the connection is closed on the caller.
func TestProbe_takesNoLongerThanItMay(t *testing.T) {
	if longest, most := awaitTimeout+readTimeout+probeTimeout, NewServer(http.NotFoundHandler(), nil).WriteTimeout; longest >= most {
		t.Errorf("a probe may take %s, and the answer %s", longest, most)
	}
	for target, body := range map[string]string{probeURL: "", testURL: `{"hostname":"uc1.lyon.example"}`} {
		synctest.Test(t, func(t *testing.T) {
			p := newProbing()
			p.prober.hold = make(chan struct{})
			begun := time.Now()
			wantProblem(t, ask(p.api(t), "POST", target, body), 503, codeUnavailable, "")
			if took := time.Since(begun); took != probeTimeout || took < 12*time.Second {
				t.Errorf("%s was given up after %s", target, took)
			}
		})
	}
}

func TestProbe_aBodyIsNotPassedOver(t *testing.T) {
	h := newProbing().api(t)
	for body, field := range map[string]string{`{"by":"x"}`: "by", `{`: "", `[]`: ""} {
		wantProblem(t, ask(h, "POST", probeURL, body), 400, domain.Malformed, field)
	}
	if a := ask(h, "POST", probeURL, "{}"); a.Code != 200 {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

func TestProbe_minSeqIsAwaited(t *testing.T) {
	p := newProbing()
	var seen events.Seq
	p.directory.await = func(_ context.Context, _ events.EnterpriseID, min events.Seq) error {
		seen = min
		return nil
	}
	if a := ask(p.api(t), "POST", probeURL+"?min_seq=99", ""); a.Code != 200 || seen != 99 {
		t.Errorf("status %d, awaited %d", a.Code, seen)
	}
}

// TestProbe_takesTheRightToChangePeers: who may only read causes no traffic,
// and reads what was found all the same.
func TestProbe_takesTheRightToChangePeers(t *testing.T) {
	s := newStack(t)
	peer := peersURL + "/" + s.acme()
	s.settle()
	s.bearerOf(access.Admin, "") // the first
	for _, role := range access.Roles() {
		secret := s.bearerOf(role, "acme")
		may := access.Principal{Role: role}.May(access.ChangePeers)
		for target, body := range map[string]string{peer + "/probe": "", testURL: `{"hostname":"uc1.rome.example"}`} {
			contentType := ""
			if body != "" {
				contentType = "application/json"
			}
			a := s.bearer(secret, "POST", target, body, contentType)
			if may != (a.Code == 200) || !may && a.Code != 403 {
				t.Errorf("%s as %s: status %d: %s", target, role, a.Code, a.Body)
			}
		}
		for _, below := range []string{"/samples", "/timeline", "/uptime", "/maintenances", "/presence-check"} {
			if a := s.bearer(secret, "GET", peer+below, "", ""); a.Code != 200 {
				t.Errorf("%s as %s: status %d: %s", below, role, a.Code, a.Body)
			}
		}
	}
}

func TestTest_looksAtWhatAPeerWouldBe(t *testing.T) {
	p := newProbing()
	for body, want := range map[string]ProbeTarget{
		`{"hostname":"UC1.Lyon.example."}`:            {"uc1.lyon.example", 443},
		`{"hostname":"uc1.lyon.example","port":8443}`: {"uc1.lyon.example", 8443},
		`{"hostname":"uc1.lyon.example","port":null}`: {"uc1.lyon.example", 443},
		`{"type":"micollab","hostname":"a.b","address":"192.0.2.1","description":"x","peer_enterprise_id":"lyon1","dialing_prefix":"8","version":"9.8"}`: {"a.b", 443},
	} {
		p.prober.tested = nil
		h := p.api(t) // the rate of tests is another rule
		a := ask(h, "POST", testURL, body)
		if a.Code != 200 || len(p.prober.tested) != 1 || p.prober.tested[0] != want {
			t.Errorf("%s: status %d, looked at %v", body, a.Code, p.prober.tested)
		}
		for _, field := range []string{"status", "status_cause", "sequence"} {
			if _, there := into[map[string]any](t, a)[field]; there {
				t.Errorf("a test says %s: %s", field, a.Body)
			}
		}
	}
}

func TestTest_refusesByField(t *testing.T) {
	p := newProbing()
	h := p.api(t)
	for body, want := range map[string]struct {
		status int
		field  string
	}{
		`{}`:                                          {422, "hostname"},
		`{"hostname":"lyon"}`:                         {422, "hostname"},
		`{"hostname":"192.0.2.1 or so"}`:              {422, "hostname"},
		`{"hostname":"a.b","port":0}`:                 {422, "port"},
		`{"hostname":"a.b","port":70000}`:             {422, "port"},
		`{"hostname":"a.b","address":"x y"}`:          {422, "address"},
		`{"hostname":"a.b","description":"a_b"}`:      {422, "description"},
		`{"hostname":"a.b","peer_enterprise_id":"x"}`: {422, "peer_enterprise_id"},
		`{"hostname":"a.b","dialing_prefix":"abc"}`:   {422, "dialing_prefix"},
		`{"hostname":"a.b","version":"new"}`:          {422, "version"},
		`{"type":"external","description":"Partner"}`: {422, "type"},
		`{"type":"other","hostname":"a.b"}`:           {422, "type"},
		`{"hostname":"a.b","host":"x"}`:               {400, "host"},
		`{"hostname":5}`:                              {400, "hostname"},
		`[]`:                                          {400, ""},
	} {
		a := ask(h, "POST", testURL, body)
		if got := into[Problem](t, a); a.Code != want.status || got.Field != want.field || got.Detail == "" {
			t.Errorf("%s: status %d: %s", body, a.Code, a.Body)
		}
	}
	if n := p.prober.asked(); n != 0 {
		t.Errorf("the prober was asked %d times", n)
	}
}

func TestTest_isOfAnEnterpriseThatExists(t *testing.T) {
	for _, c := range []struct {
		change func(*condition)
		status int
		code   domain.Code
	}{
		{func(d *condition) { d.err = readmodel.ErrNotFound }, 404, domain.NotFound},
		{func(d *condition) { d.enterprise.Removed = &readmodel.Removal{By: "bob", At: noon()} }, 410, domain.Gone},
	} {
		p := newProbing()
		c.change(p.directory)
		wantProblem(t, ask(p.api(t), "POST", testURL, `{"hostname":"a.b"}`), c.status, c.code, "")
		if n := p.prober.asked(); n != 0 {
			t.Errorf("the prober was asked %d times", n)
		}
	}
}

// atOnce sends n requests that stay with the prober, and returns what one more is
// answered.
func atOnce(t *testing.T, n int, target, body string) (more answer, p *prober) {
	t.Helper()
	at := newProbing()
	at.prober.hold, at.prober.begun = make(chan struct{}), make(chan struct{}, n+1)
	h := at.api(t)
	var asking sync.WaitGroup
	for range n {
		asking.Go(func() {
			if a := ask(h, "POST", target, body); a.Code != 200 {
				t.Errorf("status %d: %s", a.Code, a.Body)
			}
		})
	}
	for range n {
		<-at.prober.begun
	}
	more = ask(h, "POST", target, body)
	close(at.prober.hold)
	asking.Wait()
	if a := ask(h, "POST", target, body); a.Code != 200 {
		t.Errorf("afterwards: status %d: %s", a.Code, a.Body)
	}
	return more, at.prober
}

func TestTest_twoAtATimeForOneOwner(t *testing.T) {
	more, p := atOnce(t, maxTestsOfOne, testURL, `{"hostname":"a.b"}`)
	wantProblem(t, more, 429, codeTooMany, "")
	if p.asked() != maxTestsOfOne+1 {
		t.Errorf("the prober was asked %d times", p.asked())
	}
}

func TestProbe_someAtATimeForOneOwner(t *testing.T) {
	more, p := atOnce(t, maxProbesOfOne, probeURL, "")
	wantProblem(t, more, 429, codeTooMany, "")
	if p.asked() != maxProbesOfOne+1 {
		t.Errorf("the prober was asked %d times", p.asked())
	}
}

// TestTest_isNoWayToSearchANetwork: however fast the tests end, one owner gets
// only some a second; another owner has its own.
func TestTest_isNoWayToSearchANetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbing()
		h := p.api(t)
		sweep := func() (passed int) {
			for i := range 50 {
				switch a := ask(h, "POST", testURL, fmt.Sprintf(`{"hostname":"h%d.example"}`, i)); a.Code {
				case 200:
					passed++
				case 429:
					wantProblem(t, a, 429, codeTooMany, "")
				default:
					t.Errorf("status %d: %s", a.Code, a.Body)
				}
			}
			return passed
		}
		if n := sweep(); n != 2*testsPerSecond {
			t.Errorf("%d tests at once, want %d", n, 2*testsPerSecond)
		}
		time.Sleep(time.Second)
		if n := sweep(); n != testsPerSecond {
			t.Errorf("%d tests a second later, want %d", n, testsPerSecond)
		}
	})
}

func TestGate_allOwnersTogether(t *testing.T) {
	g := newGate("tests", maxTests, maxTestsOfOne)
	var leave []func()
	for i := range maxTests {
		out, err := g.enter(fmt.Sprint("token ", i/maxTestsOfOne))
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, out)
	}
	if _, err := g.enter("token 99"); err == nil {
		t.Error("one more than all together may was let in")
	}
	for _, out := range leave {
		out()
		out() // twice is once
	}
	for i := range maxTests {
		if _, err := g.enter(fmt.Sprint("token ", i)); err != nil {
			t.Errorf("after all have left: %v", err)
		}
	}
	if len(g.owners) != maxTests {
		t.Errorf("%d owners are remembered", len(g.owners))
	}
}

func TestProbes_whatIsNotConnectedYetIsStarting(t *testing.T) {
	h := newAPI(t, nil, nil, func(o *Options) {
		o.Backends = func() Backends {
			return Backends{Tokens: noTokens{}, Commands: forbidden(t), Directory: &condition{peer: aPeer()}}
		}
	})
	for method, targets := range map[string][]string{
		"POST": {probeURL, testURL},
		"GET":  {peerURL + "/samples", peerURL + "/timeline", peerURL + "/maintenances", peerURL + "/uptime", peerURL + "/presence-check"},
	} {
		for _, target := range targets {
			wantProblem(t, ask(h, method, target, ""), 503, codeStarting, "")
		}
	}
}

// TestTest_takesTheBodyOfAPeer: what is described for a test has the fields with
// which a peer is added.
func TestTest_takesTheBodyOfAPeer(t *testing.T) {
	adds, tests := map[string]bool{}, map[string]bool{}
	fieldsOf(addPeerDoc().schema, "", adds)
	fieldsOf(testDoc().schema, "", tests)
	if diff := cmp.Diff(adds, tests); diff != "" {
		t.Errorf("(-add +test):\n%s", diff)
	}
	for name, example := range testDoc().examples {
		body, err := json.Marshal(example)
		if err != nil {
			t.Fatal(err)
		}
		if a := ask(newProbing().api(t), "POST", testURL, string(body)); a.Code != 200 {
			t.Errorf("the example %s: status %d: %s", name, a.Code, a.Body)
		}
	}
}
