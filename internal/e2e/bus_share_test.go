package e2e_test

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/testkit"
)

// onOneNode is a deployment on one server and SQLite; sync as in startBroker.
func onOneNode(t *testing.T, sync string) deployment {
	t.Helper()
	broker := startBroker(t, 1, sync)
	return deployment{t, []string{
		"NATS_URL=" + broker.URL(), "PEERING_LOG_MAX_BYTES=256MiB",
		"PEERING_DATABASE_URL=" + testkit.SQLite(t).URL, "PEERING_LOG_FORMAT=text",
	}}
}

func (d deployment) url() string { return strings.TrimPrefix(d.env[0], "NATS_URL=") }

// follower starts an api and waits until it takes commands.
func (d deployment) follower() *process {
	d.t.Helper()
	p := d.start("api")
	p.Eventually("it takes commands", func() bool { return follows(p) })
	return p
}

// described is one more command for an enterprise, which numbers its commands.
func described(ent string, n int) order {
	o := accepted(ent, "DescribeEnterprise", fmt.Sprintf("d-%d", n), fmt.Sprintf(`{"description":"Number %d"}`, n))
	o.rename = fmt.Sprintf("Number %d", n)
	return o
}

// TestBus_sharedByTwoProcesses: of a backlog that both find, each carries out more
// than 30 %, and the commands of an enterprise take effect in order.
func TestBus_sharedByTwoProcesses(t *testing.T) {
	const ents, backlog, least = 64, 10_000, 0.30
	d := onOneNode(t, "2m")                     // it is not about the disk
	if code := d.follower().Stop(); code != 0 { // it has made the streams
		t.Errorf("stopped with code %d", code)
	}
	nc := testkit.Connect(t, d.url())
	var orders []order
	for i := range ents {
		orders = append(orders, setUp(fmt.Sprintf("share-%02d", i))[0])
	}
	for n := range backlog {
		orders = append(orders, described(fmt.Sprintf("share-%02d", n%ents), n))
	}
	putAll(t, nc, orders)
	if left := queued(t, nc); left != uint64(len(orders)) {
		t.Fatalf("%d commands wait, want %d", left, len(orders))
	}

	began := time.Now()
	apis := [2]*process{d.start("api"), d.start("api")}
	drained(t, nc)
	took := time.Since(began)
	var done [2]float64
	var conflicts float64
	for i, api := range apis {
		done[i] = metric(t, api, `peering_bus_commands_total{result="accepted"}`)
		conflicts += metric(t, api, "peering_append_conflicts_total")
	}
	sum := done[0] + done[1]
	t.Logf("%.0f and %.0f commands, %.0f a second with the start of both; %.0f appends found that the other had been there", done[0], done[1], sum/took.Seconds(), conflicts)
	if int(sum) != len(orders) {
		t.Errorf("%.0f commands were accepted, want each of %d once", sum, len(orders))
	}
	if math.Min(done[0], done[1]) < least*sum {
		t.Errorf("one process carried out %.0f %% of the commands", 100*math.Min(done[0], done[1])/sum)
	}
	k := readKept(t, nc)
	for i := range ents {
		k.descriptions(t, fmt.Sprintf("share-%02d", i), orders)
	}
}

// putAll publishes orders one after another without waiting for each.
func putAll(t *testing.T, nc *nats.Conn, orders []order) {
	t.Helper()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(256))
	if err != nil {
		t.Fatal(err)
	}
	acks := make([]jetstream.PubAckFuture, len(orders))
	for i, o := range orders {
		m := nats.NewMsg("peering.commands." + o.ent + "." + o.name)
		m.Header.Set("Command-Id", o.id)
		m.Data = []byte(o.body)
		if acks[i], err = js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			t.Fatal(err)
		}
	}
}

// metric is one figure of what a process measures of itself; 0 when it is not there.
func metric(t *testing.T, p *process, name string) float64 {
	t.Helper()
	found := regexp.MustCompile("(?m)^" + regexp.QuoteMeta(name) + " (.*)$").FindStringSubmatch(body(t, p, "/metrics"))
	if found == nil {
		return 0
	}
	v, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// descriptions compares those that an enterprise was given with what was ordered.
func (k kept) descriptions(t *testing.T, ent string, orders []order) {
	t.Helper()
	var got, want []string
	for _, o := range orders {
		if o.ent == ent && o.rename != "" {
			want = append(want, o.rename)
		}
	}
	for _, e := range k.log[ent] {
		if e.kind == "EnterpriseDescribed" {
			got = append(got, e.to)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d descriptions, want %d in the order in which they were published:\n%q", ent, len(got), len(want), got)
	}
}
