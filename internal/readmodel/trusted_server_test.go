package readmodel

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// since is what the event at seq made so.
func since(seq events.Seq) Since {
	return Since{Seq: seq, Time: at(seq), Actor: domaintest.Actor, Reason: "because"}
}

func TestTrustedServer_manualEntry(t *testing.T) {
	cases := []struct {
		name   string
		event  events.Event
		change func(e *TrustedServer)
	}{
		{"renamed", events.TrustedServerRenamed{TrustedServer: "t1", To: "Ätna"}, func(e *TrustedServer) { e.Description = "Ätna" }},
		{
			"another host",
			events.TrustedServerChanged{TrustedServer: "t1", ToHost: "other.example", ToType: events.TrustPresence},
			func(e *TrustedServer) { e.Host, e.Since = "other.example", since(e.Revision) },
		},
		{
			"another type",
			events.TrustedServerChanged{TrustedServer: "t1", ToHost: "hub.example", ToType: events.TrustIM},
			func(e *TrustedServer) { e.Type = events.TrustIM }, // the host is trusted as long as before
		},
		{
			"removed",
			events.TrustedServerRemoved{TrustedServer: "t1"},
			func(e *TrustedServer) {
				e.Removed = &Removal{Seq: e.Revision, By: domaintest.Actor, At: e.UpdatedAt, Reason: "because"}
			},
		},
	}
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		for i, c := range cases {
			ent := events.EnterpriseID(fmt.Sprintf("ent-%d", i))
			seq := s.registers(ent, domaintest.TrustedAdded("t1", "Hub", "hub.example", events.TrustPresence))
			want := TrustedServer{
				Enterprise: ent, ID: "t1", Description: "Hub", Host: "hub.example", Type: events.TrustPresence,
				Revision: seq, UpdatedAt: at(seq), Since: since(seq),
			}
			if diff := cmp.Diff(want, must(s.Directory().TrustedServer(t.Context(), ent, "t1"))(t)); diff != "" {
				t.Errorf("added (-want +got):\n%s", diff)
			}
			want.Revision = s.happens(ent, c.event)
			want.UpdatedAt = at(want.Revision)
			c.change(&want)
			if diff := cmp.Diff(want, must(s.Directory().TrustedServer(t.Context(), ent, "t1"))(t)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
			list := must(s.Directory().TrustedServers(t.Context(), TrustedServerQuery{Enterprise: ent}))(t)
			if (len(list.Items) == 1) == (want.Removed != nil) {
				t.Errorf("%s: listed are %+v", c.name, list.Items)
			}
		}
		last := s.happens("ent-3", domaintest.TrustedAdded("t1", "Again", "hub.example", events.TrustIM))
		if got := must(s.Directory().TrustedServer(t.Context(), "ent-3", "t1"))(t); got.Removed != nil || got.Since != since(last) {
			t.Errorf("added again: %+v", got)
		}
	})
}

// TestTrustedServer_entryOfAPeer follows one peer through its life. The entry's
// host is the peer's; its description is its own, once it is there.
func TestTrustedServer_entryOfAPeer(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		first := s.registers(acme, added("p1", "Lyon"))
		want := TrustedServer{
			Enterprise: acme, ID: "peer-p1", Description: "Lyon", Host: "p1.example", Type: events.TrustPeer, Peer: "p1",
			Revision: first, UpdatedAt: at(first), Since: since(first),
		}
		moved := func(host string) func(*TrustedServer, events.Seq) {
			return func(e *TrustedServer, seq events.Seq) {
				e.Host, e.Since, e.Revision, e.UpdatedAt = host, since(seq), seq, at(seq)
			}
		}
		named := func(name string) func(*TrustedServer, events.Seq) {
			return func(e *TrustedServer, seq events.Seq) { e.Description, e.Revision, e.UpdatedAt = name, seq, at(seq) }
		}
		same := func(*TrustedServer, events.Seq) {}
		rename := func(to string) events.Event {
			return events.TrustedServerRenamed{TrustedServer: "peer-p1", Peer: "p1", To: to}
		}
		for i, step := range []struct {
			event   events.Event
			trusted bool
			change  func(*TrustedServer, events.Seq)
		}{
			{events.PeerRenamed{Peer: "p1", To: "Turin"}, true, same}, // it is not what the entry is called
			{status("p1", events.StatusUp, 99), true, same},
			{events.PeerHostnameChanged{Peer: "p1", To: "a.example"}, true, moved("a.example")},
			{events.PeerAddressChanged{Peer: "p1", To: "192.0.2.1"}, true, moved("192.0.2.1")},
			{events.PeerHostnameChanged{Peer: "p1", To: "b.example"}, true, same}, // the address does not follow it
			{events.PeerAddressChanged{Peer: "p1", To: ""}, true, moved("b.example")},
			{rename("Trusted"), true, named("Trusted")},
			{events.PeerRenamed{Peer: "p1", To: "Oslo"}, true, same},
			{events.PeerDisabled{Peer: "p1"}, false, same},
			{rename("Asleep"), false, named("Asleep")},
			{events.PeerAddressChanged{Peer: "p1", To: "192.0.2.2"}, false, same},
			{events.PeerEnabled{Peer: "p1"}, true, moved("192.0.2.2")},
			{events.PeerEnabled{Peer: "p1"}, true, same},
			{events.PeerDisabled{Peer: "p1"}, false, same},
			{events.PeerEnabled{Peer: "p1"}, true, moved("192.0.2.2")}, // trusted since then, not since before
		} {
			step.change(&want, s.happens(acme, step.event))
			got, peer := s.entry(acme, "p1"), s.peer(acme, "p1")
			if (got != nil) != step.trusted || peer.Enabled != step.trusted {
				t.Fatalf("step %d, %s: the entry is %+v, enabled %t", i, step.event.Type(), got, peer.Enabled)
			}
			if !step.trusted {
				continue
			}
			if diff := cmp.Diff(want, *got); diff != "" || got.Host != peer.Host {
				t.Errorf("step %d, %s: the peer is at %s (-want +got):\n%s", i, step.event.Type(), peer.Host, diff)
			}
		}
	})
}

// TestTrustedServer_goesWithItsPeer, enabled or not, and what is added again has
// nothing of it.
func TestTrustedServer_goesWithItsPeer(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme)
		for _, disabled := range []bool{false, true} {
			s.happens(acme, added("p1", "Lyon"), events.TrustedServerRenamed{TrustedServer: "peer-p1", Peer: "p1", To: "Trusted"})
			if disabled {
				s.happens(acme, events.PeerDisabled{Peer: "p1"})
			}
			last := s.happens(acme, events.PeerDeleted{Peer: "p1"})
			want := &Removal{Seq: last, By: domaintest.Actor, At: at(last), Reason: "because"}
			if e := s.entry(acme, "p1"); e == nil || !cmp.Equal(e.Removed, want) || !cmp.Equal(s.peer(acme, "p1").Deleted, want) {
				t.Errorf("disabled %t: the entry is %+v", disabled, e)
			}
			list := must(s.Directory().TrustedServers(t.Context(), TrustedServerQuery{Enterprise: acme}))(t)
			if len(list.Items) != 0 {
				t.Errorf("disabled %t: still trusted are %+v", disabled, list.Items)
			}
		}
		last := s.happens(acme, added("p1", "Oslo"))
		if e := s.entry(acme, "p1"); e == nil || e.Removed != nil || e.Description != "Oslo" || e.Since != since(last) {
			t.Errorf("added again: %+v", e)
		}
		s.happens(acme, events.PeerDeleted{Peer: "p1"})
		s.happens(acme, domaintest.ExternalAdded("p1", "Gateway"), events.TrustedServerRenamed{TrustedServer: "peer-p1", Peer: "p1", To: "Ghost"})
		if e := s.entry(acme, "p1"); e == nil || e.Description == "Ghost" {
			t.Errorf("an external peer changed the entry of the one before: %+v", e)
		}
	})
}

// TestTrustedServer_neverDisagreesWithItsPeer: whoever reads while a peer is
// moved sees both in the old place or both in the new one.
func TestTrustedServer_neverDisagreesWithItsPeer(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme, added("p1", "Lyon"))
		done := make(chan error, 1)
		stop := make(chan struct{})
		go func() {
			var err error
			for err == nil {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				err = s.DB.reading(t.Context(), "test", func(tx *sqlx.Tx) error {
					row, err := active(t.Context(), tx, directory{})
					if err != nil {
						return err
					}
					g := row.generation()
					peer, err := one[string](t.Context(), tx, "SELECT host FROM "+g.table(peers))
					if err != nil {
						return err
					}
					entry, err := one[string](t.Context(), tx, "SELECT host FROM "+g.table(trustedServers))
					if err == nil && peer != entry {
						err = fmt.Errorf("the peer is at %s, the entry at %s", peer, entry)
					}
					return err
				})
			}
			done <- err
		}()
		for i := range 60 {
			s.happens(acme, events.PeerAddressChanged{Peer: "p1", To: fmt.Sprintf("192.0.2.%d", i)})
		}
		close(stop)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestTrustedServer_unknownIsNotFound(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme, added("p1", "Lyon"))
		s.registers(beta)
		for _, c := range []struct {
			ent events.EnterpriseID
			id  events.TrustedServerID
		}{{acme, "t1"}, {acme, "p1"}, {beta, "peer-p1"}, {"gamma", "peer-p1"}} {
			if _, err := s.Directory().TrustedServer(t.Context(), c.ent, c.id); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s of %s: %v", c.id, c.ent, err)
			}
		}
	})
}
