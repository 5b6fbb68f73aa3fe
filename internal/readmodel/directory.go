package readmodel

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// Directory answers queries about enterprises, peers and trusted servers. Each
// is answered from one moment of the projection. It is safe for concurrent use.
type Directory struct {
	db       *DB
	unprobed func(events.EnterpriseID) *Unprobed
}

// Directory returns the queries of the directory.
func (db *DB) Directory() *Directory { return &Directory{db: db} }

// view runs fn in a transaction that sees one moment of the directory; row names
// its tables and its position.
func (d *Directory) view(ctx context.Context, what string, fn func(tx *sqlx.Tx, row stateRow) error) error {
	return d.db.view(ctx, what, directory{}, fn)
}

// view runs fn in a transaction that sees one moment of p.
func (db *DB) view(ctx context.Context, what string, p Projection, fn func(tx *sqlx.Tx, row stateRow) error) error {
	return db.reading(ctx, what, func(tx *sqlx.Tx) error {
		row, err := active(ctx, tx, p)
		if err != nil {
			return err
		}
		return fn(tx, row)
	})
}

// DirectoryProjection is the projection that Directory reads: enterprises,
// peers and trusted servers, so that a peer and its trusted-server entry move
// in one transaction.
func DirectoryProjection() Projection { return directory{} }

type directory struct{}

// directoryVersion is raised when a table of the directory or the meaning of a
// column changes; the tables are then filled again from the log.
const directoryVersion = 3

func (directory) Name() string    { return "directory" }
func (directory) Version() int    { return directoryVersion }
func (directory) nouns() []string { return []string{enterprises, peers, trustedServers} }

// The nouns of the tables.
const (
	enterprises    = "enterprises"
	peers          = "peers"
	trustedServers = "trusted_servers"
)

func (directory) create(d dialect, g generation) []string {
	e, p, t := enterpriseTable(), peerTable(), trustedServerTable()
	return slices.Concat(e.create(d, g), p.create(d, g), t.create(d, g))
}

func (directory) fold(d dialect, g generation) fold {
	return &directoryFold{
		dialect: d, generation: g,
		enterprises: newCache[enterpriseKey](enterpriseTable()),
		peers:       newCache[peerKey](peerTable()),
		trusted:     newCache[trustedKey](trustedServerTable()),
	}
}

// How many rows of a table a fold keeps between two transactions: few while the
// log is followed, many (about 150 MB) while it is behind, which shows in the
// number of events in a transaction, and every row will be needed again.
const (
	cacheFollowing = 10_000
	cacheBehind    = 150_000
	behind         = 1_000
)

// The primary keys of the tables: fields in the order of the columns.
type (
	enterpriseKey struct{ ID events.EnterpriseID }
	peerKey       struct {
		Enterprise events.EnterpriseID
		ID         events.PeerID
	}
	trustedKey struct {
		Enterprise events.EnterpriseID
		ID         events.TrustedServerID
	}
)

func (k enterpriseKey) compare(o enterpriseKey) int { return cmp.Compare(k.ID, o.ID) }

func (k peerKey) compare(o peerKey) int {
	return cmp.Or(cmp.Compare(k.Enterprise, o.Enterprise), cmp.Compare(k.ID, o.ID))
}

func (k trustedKey) compare(o trustedKey) int {
	return cmp.Or(cmp.Compare(k.Enterprise, o.Enterprise), cmp.Compare(k.ID, o.ID))
}

func (ent *enterpriseRow) key() enterpriseKey { return enterpriseKey{ent.ID} }
func (p *peerRow) key() peerKey               { return peerKey{p.Enterprise, p.ID} }
func (t *trustedRow) key() trustedKey         { return trustedKey{t.Enterprise, t.ID} }

// directoryFold is the directory as far as the events at hand concern it.
type directoryFold struct {
	dialect     dialect
	generation  generation
	enterprises *cache[enterpriseRow, *enterpriseRow, enterpriseKey]
	peers       *cache[peerRow, *peerRow, peerKey]
	trusted     *cache[trustedRow, *trustedRow, trustedKey]
	batch       int // events of this transaction
}

func (f *directoryFold) prefetch(ctx context.Context, tx *sqlx.Tx, list []events.Recorded) error {
	f.batch = len(list)
	var removed []events.EnterpriseID
	for i := range list {
		ent := list[i].Enterprise
		f.enterprises.want(enterpriseKey{ent})
		switch e := list[i].Event.(type) {
		case events.EnterpriseRemoved:
			removed = append(removed, ent)
		case events.PeerEvent:
			f.peers.want(peerKey{ent, e.PeerID()})
			if movesTrust(e) {
				f.trusted.want(trustedKey{ent, events.TrustedServerOfPeer(e.PeerID())})
			}
		case events.TrustedServerEvent:
			f.trusted.want(trustedKey{ent, e.TrustedServerID()})
			if peer, ok := events.PeerOfTrustedServer(e.TrustedServerID()); ok {
				f.peers.want(peerKey{ent, peer})
			}
		}
	}
	if err := f.enterprises.load(ctx, f.dialect, tx, f.generation); err != nil {
		return err
	}
	if err := f.peers.load(ctx, f.dialect, tx, f.generation); err != nil {
		return err
	}
	if err := f.trusted.load(ctx, f.dialect, tx, f.generation); err != nil {
		return err
	}
	for _, ent := range removed { // what is still in it goes with it
		if err := f.peers.loadWhere(ctx, tx, f.generation, "enterprise = ? AND deleted_seq = 0", ent); err != nil {
			return err
		}
		if err := f.trusted.loadWhere(ctx, tx, f.generation, "enterprise = ? AND removed_seq = 0", ent); err != nil {
			return err
		}
	}
	return nil
}

func (f *directoryFold) flush(ctx context.Context, tx *sqlx.Tx) error {
	keep := cacheFollowing
	if f.batch >= behind {
		keep = cacheBehind
	}
	if err := f.enterprises.flush(ctx, f.dialect, tx, f.generation, keep); err != nil {
		return err
	}
	if err := f.peers.flush(ctx, f.dialect, tx, f.generation, keep); err != nil {
		return err
	}
	return f.trusted.flush(ctx, f.dialect, tx, f.generation, keep)
}

// apply is the fold: it accepts every value, and refuses only what cannot follow
// on what was applied before, as domain.Evolve does. An event that was applied
// already changes nothing.
func (f *directoryFold) apply(r events.Recorded) error {
	ent := f.enterprises.get(enterpriseKey{r.Enterprise})
	if ent != nil && integer(r.Seq) <= ent.LastSeq {
		return nil
	}
	if e, ok := r.Event.(events.EnterpriseRegistered); ok {
		return f.register(r, e, ent)
	}
	switch {
	case ent == nil:
		return misfit(r, "the enterprise is not registered")
	case ent.RemovedSeq != 0:
		if e, ok := r.Event.(events.PeerEvent); ok && isProbe(e) && f.peers.get(peerKey{ent.ID, e.PeerID()}) != nil {
			return nil // the prober did not know yet
		}
		return misfit(r, "the enterprise was removed")
	}
	ent, err := f.applyTo(ent, r)
	if err != nil {
		return err
	}
	ent.LastSeq = integer(r.Seq)
	return nil
}

// applyTo applies r to a registered enterprise, whose row it returns for writing.
func (f *directoryFold) applyTo(ent *enterpriseRow, r events.Recorded) (*enterpriseRow, error) {
	var err error
	switch e := r.Event.(type) {
	case events.PeerAdded:
		err = f.addPeer(ent, r, e)
	case events.PeerEvent:
		err = f.changePeer(ent, r, e)
	case events.TrustedServerEvent:
		err = f.changeTrustedServer(r, e)
	default:
		err = f.changeEnterprise(ent, r)
	}
	if err == nil {
		f.enterprises.touch(ent.key())
	}
	return ent, err
}

// isProbe tells the events of a prober: they come from a subject of their own,
// so that one may arrive after the end of what it is about. One about a peer that
// never was fits nowhere, as the timeline has it, which knows peers only.
func isProbe(e events.Event) bool {
	switch e.(type) {
	case events.PeerStatusChanged, events.PeerVersionDetected, events.PeerCertificateSeen:
		return true
	}
	return false
}

// MisfitError says that an event cannot follow on what was applied before it.
type MisfitError struct {
	Seq    events.Seq
	Type   events.Type
	Detail string
}

func (e *MisfitError) Error() string {
	return string(e.Type) + " does not fit: " + e.Detail
}

func misfit(r events.Recorded, detail string) error {
	return &MisfitError{Seq: r.Seq, Type: r.Event.Type(), Detail: detail}
}

// maxKey is how much of a text is kept for sorting and searching, in bytes:
// indexes take no more. What the domain lets through is shorter.
const maxKey = 1024

// sortKey is a text in the form in which it is sorted and searched.
func sortKey(s string) string {
	s = strings.ToLower(s)
	if len(s) > maxKey {
		s = strings.ToValidUTF8(s[:maxKey], "")
	}
	return s
}
