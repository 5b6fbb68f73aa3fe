package readmodel

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// naming is a peer that names ent on hostname.
func naming(id events.PeerID, ent events.EnterpriseID, hostname string) events.PeerAdded {
	p := domaintest.PeerAdded(id, "Peer "+string(id), hostname)
	p.PeerEnterpriseID = ent
	return p
}

func TestNeighbours_insideAndOutside(t *testing.T) {
	const gone, home = events.EnterpriseID("gone"), "uc.acme.example"
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(gone)
		s.happens(gone, events.EnterpriseRemoved{Description: "Gone"})
		s.registers(
			acme,
			naming("p1", beta, "uc.beta-1.example"), // its other side is here
			naming("p2", beta, "uc.elsewhere.example"),
			naming("p3", "nobody", "uc.nobody.example"),
			naming("p4", gone, "uc.gone.example"),
			naming("p5", acme, "uc.elsewhere.example"), // of the same id, elsewhere
			domaintest.ExternalAdded("p6", "Jabber"),
			naming("p7", "nobody", "uc.left.example"), events.PeerDeleted{Peer: "p7"},
			naming("p8", "nobody", "uc.asleep.example"), events.PeerDisabled{Peer: "p8"},
		)
		s.registers("zeta", naming("p1", acme, home), events.PeerDisabled{Peer: "p1"})
		s.registers(
			beta,
			naming("p9", acme, home), events.PeerVersionDetected{Peer: "p9", To: "9.8"},
			naming("p1", acme, "uc.elsewhere.example"),
			naming("p2", "zeta", home),
			naming("p3", acme, "uc.acme2.example"), events.PeerDeleted{Peer: "p3"},
			naming("p4", "nobody", "uc.acme2.example"), events.PeerEnterpriseChanged{Peer: "p4", From: "nobody", To: acme},
			domaintest.ExternalAdded("p5", "Jabber"),
		)
		change := s.last + 1
		s.happens(
			acme, events.EnterpriseServerChanged{To: events.Server{Hostname: home}},
			naming("p9", "nobody", "uc.later.example"), // set up with the server as it is
		)
		got, err := s.Directory().Neighbours(t.Context(), acme, change)
		if err != nil {
			t.Fatal(err)
		}
		micollab := func(ent events.EnterpriseID, id events.PeerID) Neighbour {
			return Neighbour{Enterprise: ent, Peer: id, Type: events.PeerMiCollab}
		}
		detected := micollab(beta, "p9")
		detected.Detected = true
		want := Neighbours{
			Inside: []Neighbour{micollab(beta, "p1"), micollab(beta, "p4"), detected, micollab("zeta", "p1")},
			Outside: []Neighbour{
				micollab(acme, "p2"), micollab(acme, "p3"), micollab(acme, "p4"), micollab(acme, "p5"),
				{Enterprise: acme, Peer: "p6", Type: events.PeerExternal},
				micollab(acme, "p8"),
			},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got, err := s.Directory().Neighbours(t.Context(), "unheard", s.last); err != nil || len(got.Inside)+len(got.Outside) > 0 {
			t.Errorf("of an enterprise that nobody knows: %+v, %v", got, err)
		}
	})
}

// TestNeighbours_waits until the directory has passed the change, and says so
// when it does not in time.
func TestNeighbours_waits(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme)
		s.registers(beta)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		if _, err := s.Directory().Neighbours(ctx, acme, s.last+1); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("before the peer is there: %v", err)
		}
		type answer struct {
			n   Neighbours
			err error
		}
		answers := make(chan answer, 1)
		next := s.last + 1
		go func() {
			n, err := s.Directory().Neighbours(t.Context(), acme, next)
			answers <- answer{n, err}
		}()
		s.happens(beta, naming("p1", acme, "uc.acme.example"))
		if a := <-answers; a.err != nil || len(a.n.Inside) != 1 {
			t.Errorf("afterwards: %+v, %v", a.n, a.err)
		}
	})
}
