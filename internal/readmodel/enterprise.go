package readmodel

import (
	"encoding/json"
	"time"

	"github.com/peering/peering/internal/events"
)

// enterpriseRow is a row of the table enterprises. The row of an enterprise
// that was removed stays, with the story of its removal.
type enterpriseRow struct {
	ID             events.EnterpriseID `db:"id"`
	Description    string              `db:"description"`
	DescriptionKey string              `db:"description_key"`
	Domain         string              `db:"domain"`
	DomainKey      string              `db:"domain_key"`
	Hostname       string              `db:"hostname"`
	Address        string              `db:"address"`
	Version        string              `db:"version"`
	VersionKey     string              `db:"version_key"`
	Deployment     events.Deployment   `db:"deployment"`
	PeersTotal     int64               `db:"peers_total"`
	ByStatus       string              `db:"peers_by_status"` // a JSON object
	Revision       int64               `db:"revision"`
	UpdatedAt      int64               `db:"updated_at"`
	LastSeq        int64               `db:"last_seq"`
	RemovedSeq     int64               `db:"removed_seq"`
	RemovedBy      string              `db:"removed_by"`
	RemovedAt      int64               `db:"removed_at"`
	RemovedReason  string              `db:"removed_reason"`
}

func enterpriseTable() table[enterpriseRow] {
	return newTable[enterpriseRow](enterprises, 1, "last_seq", "domain (domain_key)")
}

// register opens an enterprise, or opens it again after it was removed.
func (f *directoryFold) register(r events.Recorded, e events.EnterpriseRegistered, before *enterpriseRow) error {
	if before != nil && before.RemovedSeq == 0 {
		return misfit(r, "the enterprise is registered already")
	}
	ent := &enterpriseRow{ID: r.Enterprise, ByStatus: "{}", LastSeq: integer(r.Seq)}
	ent.describe(e.Description)
	ent.settle(e.Domain)
	ent.host(e.Server)
	ent.stamp(r)
	f.enterprises.put(ent)
	return nil
}

// changeEnterprise applies an event about the enterprise itself.
func (f *directoryFold) changeEnterprise(ent *enterpriseRow, r events.Recorded) error {
	switch e := r.Event.(type) {
	case events.EnterpriseDescribed:
		ent.describe(e.To)
	case events.EnterpriseDomainChanged:
		ent.settle(e.To)
	case events.EnterpriseServerChanged:
		ent.host(e.To)
	case events.EnterpriseRemoved:
		f.remove(ent, r)
	default:
		return misfit(r, "this program does not know how to apply it")
	}
	ent.stamp(r)
	return nil
}

func (ent *enterpriseRow) describe(description string) {
	ent.Description, ent.DescriptionKey = description, sortKey(description)
}

func (ent *enterpriseRow) settle(domain string) {
	ent.Domain, ent.DomainKey = domain, sortKey(domain)
}

func (ent *enterpriseRow) host(s events.Server) {
	ent.Hostname, ent.Address, ent.Deployment = s.Hostname, s.Address, s.Deployment
	ent.Version, ent.VersionKey = s.Version, versionKey(s.Version)
}

func (ent *enterpriseRow) stamp(r events.Recorded) {
	ent.Revision, ent.UpdatedAt = integer(r.Seq), micros(r.Time)
}

// remove closes the enterprise and whatever is still in it.
func (f *directoryFold) remove(ent *enterpriseRow, r events.Recorded) {
	f.peers.each(func(p *peerRow) {
		if p.Enterprise == ent.ID && p.DeletedSeq == 0 {
			f.deletePeer(ent, p, r)
		}
	})
	f.trusted.each(func(t *trustedRow) {
		if t.Enterprise == ent.ID && t.RemovedSeq == 0 {
			f.removeTrustedServer(t, r)
		}
	})
	ent.RemovedSeq, ent.RemovedAt = integer(r.Seq), micros(r.Time)
	ent.RemovedBy, ent.RemovedReason = r.Actor, r.Reason
}

// count moves a peer from one status to another in the enterprise's numbers;
// an empty status is none.
func (ent *enterpriseRow) count(from, to events.Status) {
	if from == to {
		return
	}
	counts := ent.byStatus()
	if from == "" {
		ent.PeersTotal++
	} else if counts[from]--; counts[from] <= 0 {
		delete(counts, from)
	}
	if to == "" {
		ent.PeersTotal--
	} else {
		counts[to]++
	}
	text, _ := json.Marshal(counts) // a map of strings to integers can always be encoded
	ent.ByStatus = string(text)
}

func (ent *enterpriseRow) byStatus() map[events.Status]int {
	counts := map[events.Status]int{}
	_ = json.Unmarshal([]byte(ent.ByStatus), &counts) // written by count alone
	return counts
}

func (ent *enterpriseRow) enterprise(shared bool) Enterprise {
	return Enterprise{
		ID: ent.ID, Description: ent.Description, Domain: ent.Domain,
		Server:     events.Server{Hostname: ent.Hostname, Address: ent.Address, Version: ent.Version, Deployment: ent.Deployment},
		PeersTotal: int(ent.PeersTotal), ByStatus: ent.byStatus(), DomainShared: shared,
		Revision: seq(ent.Revision), UpdatedAt: moment(ent.UpdatedAt), LastSeq: seq(ent.LastSeq),
		Removed: removal(ent.RemovedSeq, ent.RemovedBy, ent.RemovedAt, ent.RemovedReason),
	}
}

// removal is nil for what is still there.
func removal(s int64, by string, at int64, reason string) *Removal {
	if s == 0 {
		return nil
	}
	return &Removal{Seq: seq(s), By: by, At: moment(at), Reason: reason}
}

// micros is a time as the tables keep it; zero: not known.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment is the inverse of micros.
func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
