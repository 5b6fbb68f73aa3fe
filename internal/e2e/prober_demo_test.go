package e2e_test

import (
	"encoding/json"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/peering/peering/client"
	"github.com/peering/peering/internal/testkit"
)

// within is what a status may take to show, where the tests say so.
const (
	demoShows = 10 * time.Second
	fall      = 3 // failures until a peer is down
)

// api is a client of the program.
func (p *process) api() *client.Client {
	p.t.Helper()
	c, err := client.New(p.URL)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(c.CloseIdle)
	return c
}

// demoServer is one of the processes behind the demo's peers, as the log says.
type demoServer struct {
	Server string `json:"server"`
	Port   int    `json:"port"`
	PID    int    `json:"pid"`
}

// demoServers reads which servers the program has started.
func (p *process) demoServers() map[string]demoServer {
	out := map[string]demoServer{}
	for line := range strings.Lines(p.Log()) {
		var s demoServer
		if strings.Contains(line, "a server of the demo is there") && json.Unmarshal([]byte(line), &s) == nil {
			out[s.Server] = s
		}
	}
	return out
}

func (s demoServer) serves() bool {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)), time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// statuses is how all peers of an enterprise read: status, and code of its cause.
func (p *process) statuses(c *client.Client, ent client.EnterpriseID) map[string]string {
	p.t.Helper()
	out := map[string]string{}
	for row, err := range c.AllPeers(p.t.Context(), ent, client.PeerQuery{}) {
		if err != nil {
			p.t.Fatal(err)
		}
		out[row.Description] = row.Status
		if row.StatusCause != nil {
			out[row.Description] += " " + row.StatusCause.Code
		}
	}
	return out
}

func is(want map[string]string) func(map[string]string) bool {
	return func(got map[string]string) bool {
		for name, status := range want {
			if got[name] != status {
				return false
			}
		}
		return len(got) == len(want)
	}
}

// configured are the ids of all events that no prober wrote.
func (p *process) configured(c *client.Client, ent client.EnterpriseID) (ids []string) {
	p.t.Helper()
	for e, err := range c.AllEvents(p.t.Context(), client.EventQuery{Enterprise: ent}) {
		if err != nil {
			p.t.Fatal(err)
		}
		if !strings.HasPrefix(e.Actor, "prober:") {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// TestProber_theDemoShowsWhatCanBeWithAPeer: within ten seconds of its start, and
// the same at the next start; and a server that dies is down, with the reason.
func TestProber_theDemoShowsWhatCanBeWithAPeer(t *testing.T) {
	data := t.TempDir()
	want := map[string]string{
		"Berlin": "up", "Lyon": "degraded certificate_expiring", "Madrid": "down name_mismatch", "Oslo": "down refused", "XMPP federation": "N/A",
	}
	began := time.Now()
	p := serve(t, data, "--demo")
	api := p.api()
	p.Eventually("the demo's peers show what they are like", func() bool { return is(want)(p.statuses(api, "demo-acme")) })
	if took := time.Since(began); took > demoShows {
		t.Errorf("it took %s until the peers showed what they are like, want at most %s", took.Round(time.Millisecond), demoShows)
	} else {
		t.Logf("the peers show what they are like after %s", took.Round(time.Millisecond))
	}
	before, servers := p.configured(api, "demo-acme"), p.demoServers()
	if len(servers) != 3 {
		t.Fatalf("servers of the demo: %v, want 3", servers)
	}
	p.Kill()
	for name, s := range servers {
		testkit.Eventually(t, "the server of "+name+" to end with the program", func() bool { return ended(s.PID) && !s.serves() })
	}

	p = start(t, []string{"PEERING_PROBE_INTERVAL=1s"}, "peering", "serve", "--data", data, "--listen", "127.0.0.1:0", "--demo")
	p.Ready()
	api = p.api()
	p.Eventually("the servers are there again", func() bool { return len(p.demoServers()) == 3 })
	again := p.demoServers()
	for name, s := range servers {
		if again[name].Port != s.Port || again[name].PID == s.PID {
			t.Errorf("%s: %+v, before %+v", name, again[name], s)
		}
	}
	p.probedAgain(api, "demo-acme", time.Now(), 4)
	if got := p.statuses(api, "demo-acme"); !is(want)(got) {
		t.Errorf("after the second start: %v", got)
	}
	if after := p.configured(api, "demo-acme"); !slices.Equal(before, after) {
		t.Errorf("the second start has added events: %d, before %d", len(after), len(before))
	}
	p.dies(api, again["berlin"])
}

// dies kills the server of Berlin and waits for what becomes of the peer.
func (p *process) dies(api *client.Client, s demoServer) {
	p.t.Helper()
	killed := time.Now()
	if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
		p.t.Fatal(err)
	}
	p.Eventually("Berlin is down", func() bool { return p.statuses(api, "demo-acme")["Berlin"] == "down refused" })
	took := time.Since(killed)
	p.t.Logf("Berlin is down %s after its server was killed", took.Round(time.Millisecond))
	if most := fall*time.Second*11/10 + time.Second; took > most { // the jitter, and until it is shown
		p.t.Errorf("it took %s until Berlin was down, want at most %s", took, most)
	}
	id := client.PeerID(find(p.t, p.peers(), "Berlin").ID)
	periods, err := api.Timeline(p.t.Context(), "demo-acme", id, client.TimelineQuery{})
	if err != nil || len(periods.Items) < 2 {
		p.t.Fatalf("%+v, %v", periods, err)
	}
	now, was := periods.Items[0], periods.Items[1]
	if now.Status != "down" || now.StatusCause == nil || now.StatusCause.Code != "refused" || now.Since.Before(killed.Truncate(time.Microsecond)) || was.Status != "up" || !was.Until.Equal(now.Since) {
		p.t.Errorf("the timeline says %+v after %+v", now, was)
	}
	p.Eventually("the log says that the server has ended", func() bool {
		return strings.Contains(p.Log(), "a server of the demo has ended")
	})
}

// probedAgain waits until every peer that is probed has as many samples that
// began after a time.
func (p *process) probedAgain(api *client.Client, ent client.EnterpriseID, after time.Time, samples int) {
	p.t.Helper()
	for row, err := range api.AllPeers(p.t.Context(), ent, client.PeerQuery{}) {
		if err != nil {
			p.t.Fatal(err)
		}
		if row.Type == client.PeerExternal || !row.Enabled {
			continue
		}
		p.Eventually("new probes of "+row.Description, func() bool {
			page, err := api.Samples(p.t.Context(), ent, row.ID, samples)
			return err == nil && len(page.Items) == samples && page.Items[samples-1].StartedAt.After(after)
		})
	}
}

// ended reports whether a process is gone, or waits only for somebody to ask how
// it ended.
func ended(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && strings.HasPrefix(state, "Z")
}
