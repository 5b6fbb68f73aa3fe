package readmodel

import "github.com/peering/peering/internal/events"

// trustedRow is a row of the table trusted_servers: a manual entry, or the one
// that a peer brings with it. A row is live when it is neither withdrawn nor
// removed.
type trustedRow struct {
	Enterprise     events.EnterpriseID    `db:"enterprise"`
	ID             events.TrustedServerID `db:"id"`
	Description    string                 `db:"description"`
	DescriptionKey string                 `db:"description_key"`
	Host           string                 `db:"host"`
	Type           events.TrustType       `db:"type"`
	Peer           events.PeerID          `db:"peer"`      // empty: manual
	Withdrawn      bool                   `db:"withdrawn"` // the peer is disabled
	Revision       int64                  `db:"revision"`
	UpdatedAt      int64                  `db:"updated_at"`
	SinceSeq       int64                  `db:"since_seq"`
	SinceTime      int64                  `db:"since_time"`
	SinceActor     string                 `db:"since_actor"`
	SinceReason    string                 `db:"since_reason"`
	RemovedSeq     int64                  `db:"removed_seq"`
	RemovedBy      string                 `db:"removed_by"`
	RemovedAt      int64                  `db:"removed_at"`
	RemovedReason  string                 `db:"removed_reason"`
}

func trustedServerTable() table[trustedRow] {
	return newTable[trustedRow](trustedServers, 2, "revision", "description (enterprise, description_key, id)")
}

// changeTrustedServer applies an event about an entry.
func (f *directoryFold) changeTrustedServer(r events.Recorded, event events.TrustedServerEvent) error {
	id := event.TrustedServerID()
	peer, derived := events.PeerOfTrustedServer(id)
	if e, ok := event.(events.TrustedServerAdded); ok {
		return f.addTrustedServer(r, e)
	}
	t := f.trusted.get(trustedKey{r.Enterprise, id})
	if e, ok := event.(events.TrustedServerRenamed); ok && derived {
		return f.renameDerived(r, e, peer, t)
	}
	if t == nil || derived || t.RemovedSeq != 0 {
		return misfit(r, "there is no such manual entry")
	}
	switch e := event.(type) {
	case events.TrustedServerRenamed:
		t.describe(e.To)
	case events.TrustedServerChanged:
		if t.Host != e.ToHost {
			t.since(r)
		}
		t.Host, t.Type = e.ToHost, e.ToType
	case events.TrustedServerRemoved:
		f.removeTrustedServer(t, r)
		return nil
	default:
		return misfit(r, "this program does not know how to apply it")
	}
	t.stamp(r)
	f.trusted.touch(t.key())
	return nil
}

func (f *directoryFold) addTrustedServer(r events.Recorded, e events.TrustedServerAdded) error {
	if _, derived := events.PeerOfTrustedServer(e.TrustedServer); derived {
		return misfit(r, "the id belongs to a peer")
	}
	if t := f.trusted.get(trustedKey{r.Enterprise, e.TrustedServer}); t != nil && t.RemovedSeq == 0 {
		return misfit(r, "the entry exists already")
	}
	t := &trustedRow{Enterprise: r.Enterprise, ID: e.TrustedServer, Host: e.Host, Type: e.TrustType}
	t.describe(e.Description)
	t.since(r)
	t.stamp(r)
	f.trusted.put(t)
	return nil
}

// renameDerived changes the description of a peer's entry, also while it is
// withdrawn. An external peer has no entry to show it on.
func (f *directoryFold) renameDerived(r events.Recorded, e events.TrustedServerRenamed, peer events.PeerID, t *trustedRow) error {
	if p := f.peers.get(peerKey{r.Enterprise, peer}); p == nil || p.DeletedSeq != 0 {
		return misfit(r, "there is no such peer")
	}
	if t == nil || t.RemovedSeq != 0 {
		return nil
	}
	t.describe(e.To)
	t.stamp(r)
	f.trusted.touch(t.key())
	return nil
}

// followPeer makes the entry of a peer what it has to be after r. The
// description, once there, is the entry's own.
func (f *directoryFold) followPeer(p *peerRow, r events.Recorded) {
	if p.Type != events.PeerMiCollab {
		return
	}
	id := events.TrustedServerOfPeer(p.ID)
	t := f.trusted.get(trustedKey{p.Enterprise, id})
	if t == nil || t.RemovedSeq != 0 {
		t = &trustedRow{Enterprise: p.Enterprise, ID: id, Type: events.TrustPeer, Peer: p.ID, Withdrawn: true}
		t.describe(p.Description)
	}
	if t.Host == p.Host && t.Withdrawn == !p.Enabled {
		return
	}
	if p.Enabled {
		t.since(r)
	}
	t.Host, t.Withdrawn = p.Host, !p.Enabled
	t.stamp(r)
	f.trusted.put(t)
}

func (f *directoryFold) removeTrustedServer(t *trustedRow, r events.Recorded) {
	t.RemovedSeq, t.RemovedAt = integer(r.Seq), micros(r.Time)
	t.RemovedBy, t.RemovedReason = r.Actor, r.Reason
	t.stamp(r)
	f.trusted.touch(t.key())
}

func (t *trustedRow) describe(description string) {
	t.Description, t.DescriptionKey = description, sortKey(description)
}

func (t *trustedRow) stamp(r events.Recorded) {
	t.Revision, t.UpdatedAt = integer(r.Seq), micros(r.Time)
}

func (t *trustedRow) since(r events.Recorded) {
	t.SinceSeq, t.SinceTime, t.SinceActor, t.SinceReason = integer(r.Seq), micros(r.Time), r.Actor, r.Reason
}

func (t *trustedRow) trustedServer() TrustedServer {
	return TrustedServer{
		Enterprise: t.Enterprise, ID: t.ID, Description: t.Description, Host: t.Host, Type: t.Type, Peer: t.Peer,
		Revision: seq(t.Revision), UpdatedAt: moment(t.UpdatedAt),
		Since:   Since{Seq: seq(t.SinceSeq), Time: moment(t.SinceTime), Actor: t.SinceActor, Reason: t.SinceReason},
		Removed: removal(t.RemovedSeq, t.RemovedBy, t.RemovedAt, t.RemovedReason),
	}
}
