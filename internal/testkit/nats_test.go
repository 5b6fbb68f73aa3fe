package testkit

import (
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestTopologies_eachReplicatesAsOftenAsItSays(t *testing.T) {
	Topologies(t, func(t *testing.T, top Topology) {
		js := JetStream(t, top.Conn)
		s, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: top.Replicas})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(t.Context(), "s", nil); err != nil {
			t.Fatal(err)
		}
		if got := s.CachedInfo().Config.Replicas; got != top.Replicas {
			t.Errorf("replicas: got %d, want %d", got, top.Replicas)
		}
	})
}

func TestCluster_isEmptyForEachTestAndSurvivesALeader(t *testing.T) {
	for range 2 {
		t.Run("use", func(t *testing.T) {
			start := time.Now()
			c := Cluster(t)
			t.Logf("ready after %s", time.Since(start))
			nc := Connect(t, c.URL())
			js := JetStream(t, nc)
			s, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: 3})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := js.Publish(t.Context(), "s", nil); err != nil {
				t.Fatal(err)
			}
			if info, err := s.Info(t.Context()); err != nil || info.State.LastSeq != 1 {
				t.Fatalf("got %v, %v, want one message", info, err)
			}
			leader := c.Leader(t, "S")
			c.Kill(leader)
			start = time.Now()
			Eventually(t, "an answer of the new leader", func() bool {
				_, err := js.Publish(t.Context(), "s", nil)
				return err == nil
			})
			t.Logf("new leader after %s", time.Since(start))
		})
	}
}
