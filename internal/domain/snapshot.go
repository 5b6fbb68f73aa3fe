package domain

import (
	"fmt"

	"github.com/peering/peering/internal/events"
)

// SnapshotFormat is the format of MarshalSnapshot's bytes. It rises with every
// change of what they hold or mean, a rule of Evolve included; snapshots of
// another format are ignored and the log is folded instead.
const SnapshotFormat = 2

// MarshalSnapshot returns the state as bytes that depend on nothing but the
// events folded. They are small (about 250 bytes a peer) but may be larger than
// a message of the log. The error is that of an encoding and never occurs in
// this format.
func (e *Enterprise) MarshalSnapshot() ([]byte, error) {
	w := &snapshotWriter{buf: make([]byte, 0, 1024+320*(e.peers.len()+e.manual.len()+e.memory.len()))}
	w.text(string(e.id))
	w.number(uint64(e.seq))
	w.time(e.latest)
	w.flag(e.registered)
	w.text(e.description)
	w.text(e.domain)
	w.texts(e.server.Hostname, e.server.Address, e.server.Version, string(e.server.Deployment))
	w.stamp(e.changed)
	w.flag(e.removed != nil)
	if e.removed != nil {
		w.removal(*e.removed)
	}
	w.number(uint64(e.peers.len()))
	for _, id := range sortedKeys(e.peers) {
		w.peer(e.peers.at(id))
	}
	w.number(uint64(e.manual.len()))
	for _, id := range sortedKeys(e.manual) {
		w.trustedServer(e.manual.at(id))
	}
	writeTombstones(w, &e.peersGone)
	writeTombstones(w, &e.trustedGone)
	w.memory(&e.memory)
	return w.sealed(), nil
}

// UnmarshalSnapshot is the inverse of MarshalSnapshot. The error means that data
// is not a whole snapshot of id at seq in this format: fold the log instead.
func UnmarshalSnapshot(id events.EnterpriseID, seq events.Seq, data []byte) (*Enterprise, error) {
	r, err := openSnapshot(data)
	if err != nil {
		return nil, err
	}
	e := NewEnterprise(id)
	gotID := events.EnterpriseID(r.text())
	e.seq = events.Seq(r.number())
	if gotID != id || e.seq != seq {
		return nil, fmt.Errorf("domain: the snapshot is of enterprise %q at %d, not of %q at %d", gotID, e.seq, id, seq)
	}
	e.latest = r.time()
	e.registered = r.flag()
	e.description = r.text()
	e.domain = r.text()
	e.server = events.Server{Hostname: r.text(), Address: r.text(), Version: r.text(), Deployment: events.Deployment(r.text())}
	e.changed = r.stamp()
	if r.flag() {
		story := r.removal()
		e.removed = &story
	}
	for range r.count() {
		p := r.peer()
		e.peers.put(p.ID, p)
		e.indexPeer(p)
	}
	for range r.count() {
		t := r.trustedServer()
		e.manual.put(t.ID, t)
		e.indexManual(t)
	}
	readTombstones(r, &e.peersGone)
	readTombstones(r, &e.trustedGone)
	r.memory(&e.memory)
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("domain: the snapshot of enterprise %s at %d: %w", id, seq, err)
	}
	return e, nil
}

func (w *snapshotWriter) peer(p *Peer) {
	w.texts(string(p.ID), string(p.Type), p.Description, p.Hostname)
	w.number(uint64(p.Port))
	w.texts(p.Address, string(p.PeerEnterpriseID), p.DialingPrefix, p.Version)
	w.flag(p.Enabled)
	w.number(uint64(len(p.Notice)))
	for _, c := range p.Notice {
		w.texts(c.Field, c.From, c.To)
	}
	w.time(p.Maintenance.Start)
	w.time(p.Maintenance.End)
	w.text(p.Maintenance.Note)
	w.stamp(p.Changed)
	w.text(p.EntryDescription)
	w.stamp(p.EntryChanged)
}

func (r *snapshotReader) peer() *Peer {
	p := &Peer{
		ID: events.PeerID(r.text()), Type: events.PeerType(r.text()), Description: r.text(), Hostname: r.text(),
		Port:    int(r.number()),
		Address: r.text(), PeerEnterpriseID: events.EnterpriseID(r.text()), DialingPrefix: r.text(), Version: r.text(),
		Enabled: r.flag(),
	}
	for range r.count() {
		p.Notice = append(p.Notice, events.NoticeChange{Field: r.text(), From: r.text(), To: r.text()})
	}
	p.Maintenance = Maintenance{Start: r.time(), End: r.time(), Note: r.text()}
	p.Changed = r.stamp()
	p.EntryDescription = r.text()
	p.EntryChanged = r.stamp()
	return p
}

func (w *snapshotWriter) trustedServer(t *TrustedServer) {
	w.texts(string(t.ID), t.Description, t.Host, string(t.Type))
	w.stamp(t.Changed)
}

func (r *snapshotReader) trustedServer() *TrustedServer {
	return &TrustedServer{
		ID: events.TrustedServerID(r.text()), Description: r.text(), Host: r.text(), Type: events.TrustType(r.text()),
		Changed: r.stamp(),
	}
}

func (w *snapshotWriter) memory(m *memory) {
	w.text(string(m.last.id))
	w.time(m.last.time)
	w.number(uint64(m.len()))
	for _, c := range m.order.all() {
		if m.byID[c.id] != c {
			continue
		}
		w.texts(string(c.id), c.hash, c.resource)
		w.number(uint64(c.seq))
		w.number(uint64(c.count))
		w.time(c.time)
		w.time(c.seen)
	}
}

func (r *snapshotReader) memory(m *memory) {
	m.last = lastEvent{events.EventID(r.text()), r.time()}
	for range r.count() {
		m.put(&remembered{
			id: events.CommandID(r.text()), hash: r.text(), resource: r.text(),
			seq: events.Seq(r.number()), count: int(r.number()), time: r.time(), seen: r.time(),
		})
	}
}

func writeTombstones[K ~string](w *snapshotWriter, t *tombstones[K]) {
	w.number(uint64(t.order.len()))
	for _, id := range t.order.all() {
		w.text(string(id))
		w.removal(t.stories.at(id))
	}
}

func readTombstones[K ~string](r *snapshotReader, t *tombstones[K]) {
	for range r.count() {
		t.add(K(r.text()), r.removal())
	}
}
