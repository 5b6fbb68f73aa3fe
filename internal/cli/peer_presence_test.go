package cli

import (
	"strings"
	"testing"
)

// TestPeerPresence_whatIsToBeDoneAboutSeveralStepsStandsOnce below the last of
// them; a program has it with each.
func TestPeerPresence_whatIsToBeDoneAboutSeveralStepsStandsOnce(t *testing.T) {
	const step = `{"step":"dns","result":"unknown","evidence":"Does not apply.","fix":"Look there."}`
	s := newRouted(t, map[string]string{"GET /api/v1/enterprises/acme/peers/p1/presence-check": `{"checks":[` + step + "," + step + `,{"step":"x","result":"failed","evidence":"E.","fix":"Other."},` + step + `]}`})
	got := command(t.Context(), s.URL, "peer", "presence-check", "acme", "Berlin").out
	if strings.Count(got, "→ Look there.") != 2 || strings.Count(got, "\n") != 8 {
		t.Errorf("got\n%s", got)
	}
	if got := command(t.Context(), s.URL, "-o", "csv", "peer", "presence-check", "acme", "Berlin").out; strings.Count(got, "Look there.") != 3 {
		t.Errorf("got\n%s", got)
	}
}

func TestPeerPresence_saysWhatToDoBelow(t *testing.T) {
	const body = `{"checks":[{"step":"platform","result":"ok","evidence":"Supported.","fix":null},{"step":"enabled","result":"failed","evidence":"It is disabled.","fix":"Enable the peer."}]}`
	s := newRouted(t, map[string]string{"GET /api/v1/enterprises/acme/peers/p1/presence-check": body})
	got := command(t.Context(), s.URL, "peer", "presence-check", "acme", "Berlin")
	if want := "STEP      RESULT  EVIDENCE\nplatform  ok      Supported.\nenabled   failed  It is disabled.\n                  → Enable the peer.\n"; got.out != want || got.code != 0 {
		t.Errorf("got %+v, want\n%s", got, want)
	}
	if got := command(t.Context(), s.URL, "-o", "csv", "peer", "presence-check", "acme", "Berlin"); got.out != "step,result,evidence,fix\nplatform,ok,Supported.,\nenabled,failed,It is disabled.,Enable the peer.\n" {
		t.Errorf("got %+v", got)
	}
	if got := command(t.Context(), s.URL, "-o", "json", "peer", "presence-check", "acme", "Berlin"); got.out != body {
		t.Errorf("got %+v", got)
	}
}
