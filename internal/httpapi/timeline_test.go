package httpapi

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const (
	timelineURL = peerURL + "/timeline"
	absencesURL = peerURL + "/maintenances"
	samplesURL  = peerURL + "/samples"
	uptimeURL   = peerURL + "/uptime"
)

func TestTimeline_readsInFull(t *testing.T) {
	p := newProbing()
	p.timeline.cursor = "c2"
	p.timeline.periods = []readmodel.Period{
		{Seq: 9, Status: events.StatusDown, Cause: events.Cause{Layer: "connect", Code: "refused", Message: "nobody listens"}, Since: noon(), Reported: noon().Add(time.Second), ProbeStarted: noon().Add(-time.Second)},
		{Seq: 4, Status: events.StatusUnknown, Since: noon().Add(-time.Hour), Until: noon()},
		{Seq: 3, Ended: true, Since: noon().Add(-2 * time.Hour), Until: noon().Add(-time.Hour)},
	}
	want := object(t, `{"items":[
		{"sequence":9,"status":"down","status_cause":{"layer":"connect","code":"refused","message":"nobody listens"},
		"since":"2026-03-01T12:00:00Z","until":null,"reported_at":"2026-03-01T12:00:01Z","probe_started":"2026-03-01T11:59:59Z"},
		{"sequence":4,"status":"unknown","status_cause":null,"since":"2026-03-01T11:00:00Z","until":"2026-03-01T12:00:00Z","reported_at":null,"probe_started":null},
		{"sequence":3,"status":null,"status_cause":null,"since":"2026-03-01T10:00:00Z","until":"2026-03-01T11:00:00Z","reported_at":null,"probe_started":null}],
		"next_cursor":"c2","sequence":77}`)
	if diff := cmp.Diff(want, into[map[string]any](t, ask(p.api(t), "GET", timelineURL+"?limit=2&cursor=c1", ""))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if q := p.timeline.asked[0]; q != (readmodel.TimelineQuery{Limit: 2, Cursor: "c1"}) {
		t.Errorf("asked for %+v", q)
	}
}

func TestMaintenances_readInFull(t *testing.T) {
	p := newProbing()
	p.timeline.windows = []readmodel.MaintenanceWindow{
		{Seq: 9, Start: noon(), End: noon().Add(time.Hour), Note: "upgrade", By: "bob", CancelledAt: noon().Add(time.Minute)},
		{Seq: 4, Start: noon(), End: noon().Add(time.Hour), By: "eve"},
		{Seq: 2, Start: noon().Add(-time.Hour), End: noon(), By: "eve", CancelledAt: noon()}, // it was over
	}
	want := object(t, `{"items":[
		{"sequence":9,"start":"2026-03-01T12:00:00Z","end":"2026-03-01T13:00:00Z","note":"upgrade","by":"bob","cancelled_at":"2026-03-01T12:01:00Z"},
		{"sequence":4,"start":"2026-03-01T12:00:00Z","end":"2026-03-01T13:00:00Z","note":null,"by":"eve","cancelled_at":null},
		{"sequence":2,"start":"2026-03-01T11:00:00Z","end":"2026-03-01T12:00:00Z","note":null,"by":"eve","cancelled_at":null}],
		"next_cursor":null,"sequence":77}`)
	if diff := cmp.Diff(want, into[map[string]any](t, ask(p.api(t), "GET", absencesURL, ""))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSamples_readInFull(t *testing.T) {
	p := newProbing()
	var limits []int
	p.samples = func(ent events.EnterpriseID, peer events.PeerID, limit int) ([]events.Sample, error) {
		limits = append(limits, limit)
		return []events.Sample{{
			Enterprise: ent, Peer: peer, ConfigSeq: 41, Prober: "host-1", Started: noon(), OK: true, ByHand: true, LatencyMS: 12.5, Version: "9.8",
			Cause:     events.Cause{Layer: "tls", Code: "certificate_expiring", Message: "3 days left"},
			Addresses: []string{"192.0.2.20"}, Steps: []events.Step{{Layer: "http", OK: true, Message: "answered 200", TookMS: 8}},
		}}, nil
	}
	want := object(t, `{"items":[{"started_at":"2026-03-01T12:00:00Z","ok":true,"cause":{"layer":"tls","code":"certificate_expiring","message":"3 days left"},
		"latency_ms":12.5,"steps":[{"layer":"http","ok":true,"code":null,"message":"answered 200","took_ms":8}],"addresses":["192.0.2.20"],
		"version":"9.8","by_hand":true,"prober":"host-1","config_seq":41}],"next_cursor":null,"sequence":0}`)
	h := p.api(t)
	if diff := cmp.Diff(want, into[map[string]any](t, ask(h, "GET", samplesURL, ""))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	ask(h, "GET", samplesURL+"?limit=5", "")
	if len(limits) != 2 || limits[0] != events.SamplesPerPeer || limits[1] != 5 {
		t.Errorf("asked for %v", limits)
	}
	for _, limit := range []string{"0", "121", "x"} {
		wantProblem(t, ask(h, "GET", samplesURL+"?limit="+limit, ""), 422, domain.Invalid, "limit")
	}
}

// TestTimeline_whatFailsBehindIsShownAsAProblem on every read of what was found.
func TestTimeline_whatFailsBehindIsShownAsAProblem(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   domain.Code
		field  string
	}{
		{readmodel.ErrUnavailable, 503, codeUnavailable, ""},
		{&readmodel.HeldError{Enterprise: "acme", HeldAt: 12}, 503, codeHeld, ""},
		{&readmodel.QueryError{Field: "cursor", Msg: "is none"}, 422, domain.Invalid, "cursor"},
		{context.DeadlineExceeded, 503, codeUnavailable, ""},
		{errors.New("sql: syntax error near password"), 500, codeInternal, ""},
	} {
		p := newProbing()
		err := fmt.Errorf("query: %w", c.err)
		p.timeline.err = err
		p.samples = func(events.EnterpriseID, events.PeerID, int) ([]events.Sample, error) { return nil, err }
		h := p.api(t)
		for _, target := range []string{timelineURL, absencesURL, samplesURL, uptimeURL} {
			wantProblem(t, ask(h, "GET", target, ""), c.status, c.code, c.field)
		}
	}
}

func TestTimeline_ofAPeerThatIsGoneStays(t *testing.T) {
	p := newProbing()
	p.directory.peer.Deleted = &readmodel.Removal{By: "bob", At: noon()}
	h := p.api(t)
	for target, status := range map[string]int{timelineURL: 200, absencesURL: 200, uptimeURL: 200, samplesURL: 410} {
		if a := ask(h, "GET", target, ""); a.Code != status {
			t.Errorf("%s: status %d, want %d", target, a.Code, status)
		}
	}
	p.directory.err = readmodel.ErrNotFound
	for _, target := range []string{timelineURL, absencesURL, uptimeURL, samplesURL} {
		wantProblem(t, ask(h, "GET", target, ""), 404, domain.NotFound, "")
	}
}

// TestTimeline_minSeqIsAwaitedWhereItIsRead: the directory may be ahead of the
// timeline.
func TestTimeline_minSeqIsAwaitedWhereItIsRead(t *testing.T) {
	p := newProbing()
	var seen []events.Seq
	p.timeline.await = func(_ context.Context, ent events.EnterpriseID, min events.Seq) error {
		if ent != "acme" {
			t.Errorf("awaited %s", ent)
		}
		seen = append(seen, min)
		return context.DeadlineExceeded
	}
	h := p.api(t)
	for _, target := range []string{timelineURL, absencesURL, uptimeURL} {
		wantProblem(t, ask(h, "GET", target+"?min_seq=99", ""), 503, codeUnavailable, "min_seq")
	}
	if len(seen) != 3 || seen[0] != 99 || len(p.timeline.asked) != 0 {
		t.Errorf("awaited %v, asked %v", seen, p.timeline.asked)
	}
}

// TestTimeline_ofAPeerThatItDoesNotKnowYetIsEmpty: the directory does, so the
// peer is there.
func TestTimeline_ofAPeerThatItDoesNotKnowYetIsEmpty(t *testing.T) {
	p := newProbing()
	p.timeline.err = fmt.Errorf("query: %w", readmodel.ErrNotFound)
	h := p.api(t)
	for _, target := range []string{timelineURL, absencesURL} {
		if a := ask(h, "GET", target, ""); a.Code != 200 || len(into[List[any]](t, a).Items) != 0 {
			t.Errorf("%s: status %d: %s", target, a.Code, a.Body)
		}
	}
	if r := uptimeFor(t, p, ""); r.Total.Ratio != nil || len(r.Items) == 0 {
		t.Errorf("the uptime is %+v", r.Total)
	}
}
