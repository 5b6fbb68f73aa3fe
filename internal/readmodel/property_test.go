package readmodel

import (
	stdcmp "cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// logs draws the log of two enterprises and of a prober that looks at their
// peers, sometimes at one that is not there.
func logs() *rapid.Generator[[]events.Recorded] {
	return rapid.Custom(func(t *rapid.T) []events.Recorded {
		first := domaintest.Histories(40).Draw(t, "first")
		second := domaintest.Histories(25).Draw(t, "second")
		for i := range second {
			second[i] = moveTo(beta, second[i])
		}
		var log []events.Recorded
		for len(first)+len(second) > 0 {
			next := rapid.SampledFrom([]*[]events.Recorded{&first, &second, nil}).Draw(t, "next")
			var r events.Recorded
			switch {
			case next == nil:
				r = probe(t, events.Seq(len(log)))
			case len(*next) == 0:
				continue
			default:
				r = (*next)[0]
				*next = (*next)[1:]
			}
			r.Seq = events.Seq(len(log) + 1)
			log = append(log, r)
		}
		return log
	})
}

func moveTo(ent events.EnterpriseID, r events.Recorded) events.Recorded {
	r.Enterprise, r.Subject = ent, events.ConfigSubject(ent)
	if e, ok := r.Event.(events.EnterpriseRegistered); ok {
		e.Enterprise = ent
		r.Event = e
	}
	return r
}

func probe(t *rapid.T, last events.Seq) events.Recorded {
	ent := rapid.SampledFrom([]events.EnterpriseID{acme, beta}).Draw(t, "enterprise")
	id := events.PeerID(fmt.Sprintf("p%d", rapid.IntRange(0, 3).Draw(t, "peer")))
	late := status(id, events.StatusDown, last)
	late.Since, late.ProbeStarted = at(last/3), at(last)
	e := rapid.SampledFrom([]events.Event{
		status(id, events.StatusUp, last), status(id, events.StatusDown, last/2), status(id, events.StatusDegraded, last), late,
		events.PeerVersionDetected{Peer: id, To: "9.3"},
		events.PeerVersionDetected{Peer: id},
		events.PeerVersionDetected{Peer: id, To: "9.5", ConfigSeq: last/2 + 1},
		events.PeerCertificateSeen{Peer: id, NotAfter: at(last)},
		events.PeerCertificateSeen{Peer: id, NotAfter: at(last), ConfigSeq: last/2 + 1},
	}).Draw(t, "probe")
	return record(ent, last+1, e)[0]
}

// foldTo applies list in one transaction. What a prober says of a peer that is not
// there does not fit, and leaves nothing behind.
func (l *Lease) foldTo(ctx context.Context, to events.Seq, list []events.Recorded) error {
	return l.Write(ctx, mark(to), func(tx *Tx) error {
		if err := tx.Prefetch(list); err != nil {
			return err
		}
		for _, r := range list {
			var misfit *MisfitError
			if err := tx.Apply(r); err != nil && !(isProbe(r.Event) && errors.As(err, &misfit)) {
				return err
			}
		}
		return nil
	}, nil)
}

// folder folds one log after another, each into a generation of its own.
type folder struct {
	*DB
	projection Projection
	database   testkit.Database
	position   events.Seq
}

func newFolder(t *testing.T, d testkit.Database, p Projection) *folder {
	db := open(t, d)
	must(db.Prepare(t.Context(), p))(t)
	return &folder{DB: db, projection: p, database: d}
}

// fold makes log what queries read, cut into the parts that end at cuts. A
// writer that takes over begins each part but the first.
func (f *folder) fold(t *rapid.T, tb testing.TB, log []events.Recorded, cuts ...int) string {
	ctx := context.Background()
	check := func(err error) {
		if err != nil {
			t.Fatalf("%s, cut at %v: %v", f.database.Name, cuts, err)
		}
	}
	l, err := f.Build(ctx, f.projection, "builder")
	check(err)
	base, begin := f.position, 0
	for i, end := range append(cuts, len(log)) {
		f.position = base + events.Seq(end) + 1
		check(l.foldTo(ctx, f.position, log[begin:end]))
		if begin = end; i > 0 {
			continue
		}
		done, err := l.Activate(ctx)
		if check(err); !done {
			t.Fatal("not activated")
		}
		check(f.Prune(ctx, f.projection))
		s, err := f.State(ctx, f.projection)
		check(err)
		if l, _, err = f.Acquire(ctx, f.projection, "next", s); err != nil {
			t.Fatal(err)
		}
	}
	return f.database.Dump(tb, f.projection.Name()+"_")
}

// TestFold_tablesAreAFunctionOfTheLog: however the log is cut into transactions,
// whoever writes them, on whichever database, the tables are the same, and show
// what the domain's own fold of the log says.
func TestFold_tablesAreAFunctionOfTheLog(t *testing.T) {
	folders := []*folder{newFolder(t, testkit.SQLite(t), directory{}), newFolder(t, testkit.Postgres(t), directory{})}
	rapid.Check(t, func(r *rapid.T) {
		log := logs().Draw(r, "log")
		want := folders[0].fold(r, t, log)
		cuts := []int{rapid.IntRange(0, len(log)).Draw(r, "takeover")}
		for cuts[len(cuts)-1] < len(log) {
			cuts = append(cuts, min(len(log), cuts[len(cuts)-1]+rapid.IntRange(1, 20).Draw(r, "part")))
		}
		for _, f := range folders {
			if got := f.fold(r, t, log, cuts...); got != want {
				r.Fatalf("%s, cut at %v (-in one go +cut):\n%s", f.database.Name, cuts, difference(want, got))
			}
			for _, ent := range []events.EnterpriseID{acme, beta} {
				agrees(r, f.Directory(), ent, log)
			}
		}
	})
}

func difference(want, got string) string {
	return cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n"))
}

// agrees fails the test unless the lists of ent show what the domain knows.
func agrees(t *rapid.T, dir *Directory, ent events.EnterpriseID, log []events.Recorded) {
	state := domain.NewEnterprise(ent)
	for _, r := range log {
		if r.Enterprise == ent && !isProbe(r.Event) {
			if err := state.Evolve(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx := context.Background()
	shown, err := dir.Enterprise(ctx, ent)
	if err != nil {
		t.Fatal(err)
	}
	peers, err := dir.Peers(ctx, ent, PeerQuery{ListQuery: ListQuery{Sort: "id"}})
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := dir.TrustedServers(ctx, TrustedServerQuery{ListQuery: ListQuery{Sort: "id"}, Enterprise: ent})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(known(state), told(shown, peers.Items, trusted.Items), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s (-domain +shown):\n%s", ent, diff)
	}
	counts := map[events.Status]int{}
	seen := looks(ent, log)
	for _, p := range peers.Items {
		counts[p.Status]++
		if diff := cmp.Diff(seen[p.ID].shown(), lookOf(p)); diff != "" {
			t.Fatalf("%s of %s (-log +shown):\n%s", p.ID, ent, diff)
		}
		if want := domain.UPNPresence(shown.Server.Version, p.Version).Value; p.UPNPresence != want {
			t.Fatalf("UPN presence of %q with %q is %s, want %s", p.Version, shown.Server.Version, p.UPNPresence, want)
		}
		if off := p.Status == events.StatusDisabled; p.Type == events.PeerMiCollab && off == p.Enabled {
			t.Fatalf("%s is %s and enabled %t", p.ID, p.Status, p.Enabled)
		}
	}
	if shown.PeersTotal != len(peers.Items) || !cmp.Equal(shown.ByStatus, counts) {
		t.Fatalf("%s counts %d, %v; listed are %v", ent, shown.PeersTotal, shown.ByStatus, counts)
	}
}

// look is what probes say of a peer.
type look struct {
	events.Connection
	entered, detected string
	certificate       *events.PeerCertificateSeen
}

// looks folds what probes say of the peers of ent.
func looks(ent events.EnterpriseID, log []events.Recorded) map[events.PeerID]*look {
	all, gone := map[events.PeerID]*look{}, map[events.PeerID]bool{}
	notBefore := map[events.PeerID]time.Time{} // whatever is told later of when a status began
	leaves := func(id events.PeerID, at time.Time) {
		if gone[id] = true; at.After(notBefore[id]) {
			notBefore[id] = at
		}
	}
	for _, r := range log {
		if _, removed := r.Event.(events.EnterpriseRemoved); removed && r.Enterprise == ent {
			for id := range all {
				if !gone[id] {
					leaves(id, r.Time)
				}
			}
		}
		e, ok := r.Event.(events.PeerEvent)
		if !ok || r.Enterprise != ent {
			continue
		}
		if e, adds := e.(events.PeerAdded); adds {
			all[e.Peer], gone[e.Peer] = &look{entered: e.Version}, false
		}
		p := all[e.PeerID()]
		if p == nil || gone[e.PeerID()] {
			continue
		}
		p.Apply(r)
		if p.Since.Before(notBefore[e.PeerID()]) {
			p.Since = notBefore[e.PeerID()]
		}
		notBefore[e.PeerID()] = p.Since
		switch e := e.(type) {
		case events.PeerDeleted:
			leaves(e.Peer, r.Time)
		case events.PeerHostnameChanged:
			p.detected, p.certificate = "", nil
		case events.PeerVersionEntered:
			p.entered = e.To
		case events.PeerVersionDetected:
			if e.ConfigSeq == 0 || p.Counts(e.ConfigSeq) {
				p.detected = e.To
			}
		case events.PeerCertificateSeen:
			if e.ConfigSeq == 0 || p.Counts(e.ConfigSeq) {
				p.certificate = &e
			}
		}
	}
	return all
}

// shownLook is how a look is to be seen.
type shownLook struct {
	Enabled     bool
	Status      events.Status
	Cause       events.Cause
	Since       time.Time
	Version     string
	Certificate *events.PeerCertificateSeen
}

func (l *look) shown() shownLook {
	return shownLook{l.Enabled, l.Status, l.Cause, l.Since, stdcmp.Or(l.detected, l.entered), l.certificate}
}

func lookOf(p Peer) shownLook {
	return shownLook{p.Enabled, p.Status, p.Cause, p.StatusSince, p.Version, p.Certificate}
}

// picture is what the domain and the tables both know of an enterprise.
type picture struct {
	Description, Domain string
	Server              events.Server
	Revision, Removed   events.Seq
	Peers               []domain.Peer
	Trusted             []domain.TrustedServer
}

func known(e *domain.Enterprise) picture {
	p := picture{
		Description: e.Description(), Domain: e.Domain(), Server: e.Server(), Revision: e.Changed().Seq,
		Peers: e.Peers(), Trusted: e.TrustedServers(),
	}
	if gone, ok := e.Removed(); ok {
		p.Removed = gone.Seq
	}
	for i := range p.Peers {
		q := &p.Peers[i]
		q.Version, q.EntryDescription, q.EntryChanged = "", "", domain.Stamp{}
		q.Changed = domain.Stamp{Seq: q.Changed.Seq, Time: q.Changed.Time}
	}
	for i := range p.Trusted {
		p.Trusted[i].Changed = domain.Stamp{Seq: p.Trusted[i].Changed.Seq, Time: p.Trusted[i].Changed.Time}
	}
	return p
}

func told(e Enterprise, peers []Peer, trusted []TrustedServer) picture {
	p := picture{Description: e.Description, Domain: e.Domain, Server: e.Server, Revision: e.Revision}
	if e.Removed != nil { // the tables keep what it was
		p = picture{Revision: e.Revision, Removed: e.Removed.Seq}
	}
	for _, q := range peers {
		peer := domain.Peer{
			ID: q.ID, Type: q.Type, Description: q.Description, Hostname: q.Hostname, Port: q.Port, Address: q.Address,
			PeerEnterpriseID: q.PeerEnterpriseID, DialingPrefix: q.DialingPrefix, Enabled: q.Enabled, Notice: q.Notice,
			Changed: domain.Stamp{Seq: q.Revision, Time: q.UpdatedAt},
		}
		if m := q.Maintenance; m != nil {
			peer.Maintenance = domain.Maintenance{Start: m.Start, End: m.End, Note: m.Note}
		}
		p.Peers = append(p.Peers, peer)
	}
	for _, t := range trusted {
		p.Trusted = append(p.Trusted, domain.TrustedServer{
			ID: t.ID, Description: t.Description, Host: t.Host, Type: t.Type, Peer: t.Peer, Changed: domain.Stamp{Seq: t.Revision, Time: t.UpdatedAt},
		})
	}
	return p
}
