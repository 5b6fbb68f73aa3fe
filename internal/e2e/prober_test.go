package e2e_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/peering/peering/client"
	"github.com/peering/peering/internal/testkit"
)

const (
	probed        = client.EnterpriseID("probed") // whose peers they are
	probeInterval = 2 * time.Second
	// takeover is what peers may wait, at most, until another prober has looked at
	// them after theirs died.
	takeover = 10*time.Second + probeInterval
)

// probing is a deployment with peers on servers of the test, and what the test
// did to those.
type probing struct {
	deployment
	*neighbours
	process  *process // the api
	api      *client.Client
	peers    map[client.PeerID]*neighbour
	absences map[client.PeerID][]absence
}

// absence is when a server was away; back is zero: it still is.
type absence struct{ left, back time.Time }

func (a absence) String() string {
	return a.left.UTC().Format(time.RFC3339Nano) + " to " + a.back.UTC().Format(time.RFC3339Nano)
}

// TestProber_severalOnACluster: one dies, one is paused while the world changes,
// all stop, one comes: the others take over, and nothing that was not so is ever
// reported (architecture, trap 10).
func TestProber_severalOnACluster(t *testing.T) {
	p := startProbing(t, 40)
	first, second := p.prober(), p.prober()
	p.eventually("all peers are up", func(rows []client.Peer) bool { return all(rows, hasStatus("up")) })

	killed := time.Now()
	first.Kill()
	p.eventually("the other has probed all peers", func(rows []client.Peer) bool { return all(rows, probedAfter(killed)) })
	took := time.Since(killed)
	t.Logf("all %d peers are probed again %s after their prober was killed", len(p.peers), took.Round(10*time.Millisecond))
	if took > takeover {
		t.Errorf("it took %s until the other prober had taken over, want at most %s", took, takeover)
	}

	third := p.prober()
	p.eventually("both probe", func([]client.Peer) bool {
		return p.knows(second, 2) && p.knows(third, 2) && len(p.probedBy(third)) > 5
	})
	p.pauses(second, third)
	p.history()
	p.nobodyProbes(second, third)
}

// startProbing starts an api and a projector, and adds the peers.
func startProbing(t *testing.T, n int) *probing {
	t.Helper()
	cluster := testkit.Cluster(t)
	p := &probing{neighbours: startNeighbours(t, n), peers: map[client.PeerID]*neighbour{}, absences: map[client.PeerID][]absence{}}
	p.deployment = deployment{t, append(p.neighbours.env(),
		"NATS_URL="+cluster.URL(), "PEERING_REPLICAS=3", "PEERING_LOG_MAX_BYTES=256MiB", "PEERING_RATE_LIMIT_ADDRESS=100000",
		"PEERING_DATABASE_URL="+testkit.Postgres(t).URL, "PEERING_PROBE_INTERVAL="+probeInterval.String(),
	)}
	p.process = p.start("api")
	p.start("projector").Ready()
	p.process.Ready()
	p.api = p.process.api()
	_, err := p.api.RegisterEnterprise(t.Context(), client.NewEnterprise{
		ID: probed, Description: "Probed", Domain: "probed.example",
		Server: client.Server{Hostname: "uc.probed.example", Version: "9.8", Deployment: "standard"},
	})
	if err != nil {
		t.Fatal(err)
	}
	partner := "partner"
	for i, s := range p.servers {
		r, err := p.api.AddPeer(t.Context(), probed, client.NewPeer{
			Type: client.PeerMiCollab, Description: fmt.Sprintf("Peer %02d", i), Hostname: &s.hostname, Port: &s.port, PeerEnterpriseID: &partner,
		})
		if err != nil {
			t.Fatal(err)
		}
		p.peers[client.PeerID(r.ID)] = s
	}
	return p
}

func (p *probing) prober() *process {
	p.t.Helper()
	x := p.start("prober")
	x.Ready()
	return x
}

// rows are all peers as they read now.
func (p *probing) rows() []client.Peer {
	p.t.Helper()
	page, err := p.api.Peers(p.t.Context(), probed, client.PeerQuery{ListQuery: client.ListQuery{Limit: 1000}})
	if err != nil {
		p.t.Fatal(err)
	}
	return page.Items
}

func (p *probing) eventually(what string, cond func([]client.Peer) bool) {
	p.t.Helper()
	p.process.Eventually(what, func() bool { return cond(p.rows()) })
}

func all(rows []client.Peer, cond func(client.Peer) bool) bool {
	return len(rows) > 0 && !slices.ContainsFunc(rows, func(row client.Peer) bool { return !cond(row) })
}

func hasStatus(status string) func(client.Peer) bool {
	return func(row client.Peer) bool { return row.Status == status }
}

func probedAfter(at time.Time) func(client.Peer) bool {
	return func(row client.Peer) bool { return row.LastProbe.After(at) }
}

// knows reports whether a prober knows of that many, itself among them.
func (p *probing) knows(x *process, probers int) bool {
	return strings.Contains(body(p.t, x, "/health"), fmt.Sprintf("probers there: %d", probers))
}

// probedBy are the peers whose last probe was of that prober, in order.
func (p *probing) probedBy(x *process) (ids []client.PeerID) {
	p.t.Helper()
	log := x.Log()
	for _, row := range p.rows() {
		page, err := p.api.Samples(p.t.Context(), probed, row.ID, 1)
		if err != nil {
			p.t.Fatal(err)
		}
		if len(page.Items) == 1 && strings.Contains(log, `"prober":`+strconv.Quote(page.Items[0].Prober)) {
			ids = append(ids, row.ID)
		}
	}
	return ids
}

// leave has the servers of peers be away, and comeBack ends that.
func (p *probing) leave(ids ...client.PeerID) {
	for _, id := range ids {
		p.absences[id] = append(p.absences[id], absence{left: time.Now()})
		p.peers[id].away.Store(true)
	}
}

func (p *probing) comeBack(ids ...client.PeerID) {
	for _, id := range ids {
		p.peers[id].away.Store(false)
		p.absences[id][len(p.absences[id])-1].back = time.Now()
	}
}

// shown waits until every peer reads as its server is.
func (p *probing) shown(while string) {
	p.t.Helper()
	p.eventually("every peer is as its server "+while, func(rows []client.Peer) bool {
		return all(rows, func(row client.Peer) bool {
			if p.peers[row.ID].away.Load() {
				return row.Status == "down" && row.StatusCause.Code == "closed"
			}
			return row.Status == "up"
		})
	})
}

// pauses stops a prober for a while with no warning. What it was about to report
// is not so any more when it goes on.
func (p *probing) pauses(x *process, other *process) {
	p.t.Helper()
	mine, others := p.probedBy(x), p.probedBy(other)
	if len(mine) < 6 || len(others) < 3 {
		p.t.Fatalf("one prober has %d peers, the other %d", len(mine), len(others))
	}
	brief, long := mine[:3], slices.Concat(mine[3:5], others[:2])
	p.leave(brief...)
	p.eventually("it has seen that they are away", func([]client.Peer) bool { return p.failedOnce(brief) })
	stopped := time.Now()
	signal(p.t, x, syscall.SIGSTOP)
	p.eventually("the other has probed all peers", func(rows []client.Peer) bool { return all(rows, probedAfter(stopped)) })
	p.t.Logf("all peers are probed again %s after their prober was paused", time.Since(stopped).Round(10*time.Millisecond))
	p.leave(long...)
	p.shown("while the prober is paused")
	p.comeBack(brief...)
	p.shown("while the prober is still paused")

	woke := time.Now()
	signal(p.t, x, syscall.SIGCONT)
	p.eventually("it probes again", func([]client.Peer) bool { return p.knows(x, 2) && len(p.probedBy(x)) > 0 })
	p.eventually("some rounds are over", func(rows []client.Peer) bool { return all(rows, probedAfter(woke.Add(3*probeInterval))) })
	p.shown("after the prober went on")
	p.comeBack(long...)
	p.shown("at the end")
}

// failedOnce reports whether the last probe of each peer failed.
func (p *probing) failedOnce(ids []client.PeerID) bool {
	for _, id := range ids {
		page, err := p.api.Samples(p.t.Context(), probed, id, 1)
		if err != nil || len(page.Items) == 0 || page.Items[0].OK {
			return false
		}
	}
	return true
}

// nobodyProbes stops all probers and starts another one: in between nobody knows
// how the peers are, and afterwards nothing has happened.
func (p *probing) nobodyProbes(inOrder, killed *process) {
	p.t.Helper()
	before, history := p.rows(), p.history()
	stopped := time.Now()
	if code := inOrder.Stop(); code != 0 {
		p.t.Errorf("a prober stopped with code %d", code)
	}
	killed.Kill()
	p.eventually("nobody knows how the peers are", func(rows []client.Peer) bool {
		return all(rows, func(row client.Peer) bool {
			return row.Status == "unknown" && row.StatusCause != nil && row.StatusCause.Code == "not_probed"
		})
	})
	p.t.Logf("all peers are unknown %s after the last prober was gone", time.Since(stopped).Round(10*time.Millisecond))
	for _, row := range p.rows() {
		if row.StatusSince.Before(stopped.Add(-probeInterval)) || row.StatusSince.After(time.Now()) {
			p.t.Errorf("%s is unknown since %s, the probers stopped at %s", row.Description, row.StatusSince, stopped)
		}
	}
	started := time.Now()
	p.prober()
	p.eventually("some rounds are over", func(rows []client.Peer) bool { return all(rows, probedAfter(started.Add(3*probeInterval))) })
	p.shown("when somebody probes again")
	for i, row := range p.rows() {
		if was := before[i]; row.Status != was.Status || !row.StatusSince.Equal(was.StatusSince) {
			p.t.Errorf("%s is %s since %s, before the probers stopped %s since %s", row.Description, row.Status, row.StatusSince, was.Status, was.StatusSince)
		}
	}
	if after := p.history(); len(after) != len(history) {
		p.t.Errorf("%d events, %d before the probers stopped: %+v", len(after), len(history), after[len(history):])
	}
}
