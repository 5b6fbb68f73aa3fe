package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// deployment is the three programs on a NATS cluster and PostgreSQL.
type deployment struct {
	t   *testing.T
	env []string
}

func (d deployment) start(program string) *process {
	d.t.Helper()
	return start(d.t, d.env, program, "--listen", "127.0.0.1:0")
}

// TestPrograms_onAClusterAndPostgreSQL: the same code, only the configuration
// differs. Two of each program, and everything that may die does: a node of the
// cluster, the active projector, one that is paused, an api.
func TestPrograms_onAClusterAndPostgreSQL(t *testing.T) {
	cluster := testkit.Cluster(t)
	d := deployment{t, []string{
		"NATS_URL=" + cluster.URL(), "PEERING_REPLICAS=3", "PEERING_LOG_MAX_BYTES=256MiB",
		"PEERING_DATABASE_URL=" + testkit.Postgres(t).URL, "PEERING_LOG_FORMAT=text",
	}}
	apis := []*process{d.start("api"), d.start("api")}
	projectors := []*process{d.start("projector"), d.start("projector")}
	prober := d.start("prober")
	for _, p := range append(append([]*process{prober}, apis...), projectors...) {
		p.Ready()
	}
	post(t, apis[0], "/api/v1/enterprises", `{"id":"load","description":"Load","domain":"load.example","server":{"hostname":"uc.load.example","address":"","version":"9.8","deployment":"standard"}}`)
	n := 0
	// add writes through one api and sees it through the other.
	add := func(while string) {
		t.Helper()
		n++
		name, from := fmt.Sprintf("Peer %d", n), apis[n%2]
		order := fmt.Sprintf(`{"type":"micollab","description":%q,"hostname":"uc%d.partner.example","peer_enterprise_id":"partner"}`, name, n)
		var r receipt
		from.Eventually("a write "+while, func() (ok bool) {
			var err error
			r, err = tryPost(from, "/api/v1/enterprises/load/peers", fmt.Sprint("add-", n), order)
			return err == nil
		})
		to := apis[(n+1)%2]
		to.Eventually("the write to be seen "+while, func() bool {
			return to.Status(fmt.Sprintf("/api/v1/enterprises/load/peers/%s?min_seq=%d", r.ID, r.Sequence)) == http.StatusOK
		})
	}
	add("at first")

	leader := cluster.Leader(t, events.Stream)
	cluster.Kill(leader)
	add("without the leader of the log")
	cluster.Restart(t, leader)

	signal(t, projectors[0], syscall.SIGKILL)
	add("without the first projector")
	projectors = append(projectors, d.start("projector"))
	projectors[2].Ready()
	signal(t, projectors[1], syscall.SIGSTOP)
	add("while the second projector is paused")
	signal(t, projectors[1], syscall.SIGCONT)
	projectors[1].Ready()
	add("after it woke up")

	apis[1].Kill()
	apis[1] = d.start("api")
	apis[1].Ready()
	add("after an api was killed and started again")

	prober.Eventually("the prober to know its targets", func() bool {
		return strings.Contains(body(t, prober, "/metrics"), fmt.Sprintf("peering_probe_targets %d\n", n))
	})
	for _, api := range apis {
		var page list[peerRow]
		if err := json.Unmarshal([]byte(body(t, api, "/api/v1/enterprises/load/peers?limit=1000")), &page); err != nil || len(page.Items) != n {
			t.Errorf("%d peers, want %d; %v", len(page.Items), n, err)
		}
	}
	for _, p := range []*process{apis[0], apis[1], projectors[1], projectors[2], prober} {
		if code := p.Stop(); code != 0 {
			t.Errorf("stopped with code %d", code)
		}
	}
}

func signal(t *testing.T, p *process, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(p.PID(), s); err != nil {
		t.Fatal(err)
	}
}

func body(t *testing.T, p *process, path string) string {
	t.Helper()
	_, text := answer(t, p, path)
	return text
}

// TestPrograms_sayWhatTheyCannotReach: a program without its NATS server or
// database stays up, red, with the reason, and answers with 503.
func TestPrograms_sayWhatTheyCannotReach(t *testing.T) {
	env := []string{"NATS_URL=nats://127.0.0.1:1", "PEERING_DATABASE_URL=postgres://nobody:secret-word@127.0.0.1:1/none"}
	api := start(t, env, "api", "--listen", "127.0.0.1:0")
	api.Eventually("health to be red", func() bool { return api.Status("/health") == http.StatusServiceUnavailable })
	if s := api.Status("/livez"); s != http.StatusOK {
		t.Errorf("/livez answers %d", s)
	}
	if s, text := answer(t, api, "/api/v1/enterprises"); s != http.StatusServiceUnavailable || !strings.Contains(text, `"starting"`) {
		t.Errorf("a read is answered %d %s", s, text)
	}
	if code := api.Stop(); code != 0 {
		t.Errorf("stopped with code %d", code)
	}
	if strings.Contains(api.Log(), "secret-word") {
		t.Errorf("the log has the password:\n%s", api.Log())
	}
}
