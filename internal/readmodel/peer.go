package readmodel

import (
	"cmp"
	"encoding/json"

	"github.com/peering/peering/internal/events"
)

// peerRow is a row of the table peers. The row of a peer that was deleted
// stays, with the story of its deletion.
type peerRow struct {
	Enterprise       events.EnterpriseID `db:"enterprise"`
	ID               events.PeerID       `db:"id"`
	Type             events.PeerType     `db:"type"`
	Description      string              `db:"description"`
	DescriptionKey   string              `db:"description_key"`
	Hostname         string              `db:"hostname"`
	Port             int64               `db:"port"`
	Address          string              `db:"address"`
	Host             string              `db:"host"`
	PeerEnterpriseID events.EnterpriseID `db:"peer_enterprise_id"`
	DialingPrefix    string              `db:"dialing_prefix"`
	Version          string              `db:"version"` // detected, else entered
	VersionKey       string              `db:"version_key"`
	VersionSource    string              `db:"version_source"`
	VersionEntered   string              `db:"version_entered"`
	Enabled          bool                `db:"enabled"`
	Status           events.Status       `db:"status"`
	CauseLayer       string              `db:"cause_layer"`
	CauseCode        string              `db:"cause_code"`
	CauseMessage     string              `db:"cause_message"`
	StatusSince      int64               `db:"status_since"`
	ProbedFrom       int64               `db:"probed_from"` // verdicts about older configurations do not count
	NotAfter         int64               `db:"certificate_not_after"`
	Certificate      string              `db:"certificate"` // JSON, or empty
	Notice           string              `db:"notice"`      // JSON, or empty
	Maintenance      string              `db:"maintenance"` // JSON, or empty
	MaintenanceStart int64               `db:"maintenance_start"`
	AddedSeq         int64               `db:"added_seq"`
	Revision         int64               `db:"revision"`
	UpdatedAt        int64               `db:"updated_at"`
	LastSeq          int64               `db:"last_seq"`
	DeletedSeq       int64               `db:"deleted_seq"`
	DeletedBy        string              `db:"deleted_by"`
	DeletedAt        int64               `db:"deleted_at"`
	DeletedReason    string              `db:"deleted_reason"`
}

func peerTable() table[peerRow] {
	return newTable[peerRow](peers, 2, "last_seq", "description (enterprise, description_key, id)")
}

// addPeer adds the row and, for a MiCollab peer, its trusted-server entry.
func (f *directoryFold) addPeer(ent *enterpriseRow, r events.Recorded, e events.PeerAdded) error {
	before := f.peers.get(peerKey{ent.ID, e.Peer})
	if before != nil && before.DeletedSeq == 0 {
		return misfit(r, "the peer exists already")
	}
	p := &peerRow{
		Enterprise: ent.ID, ID: e.Peer, Type: e.PeerType, Hostname: e.Hostname, Port: int64(e.Port), Address: e.Address, Host: cmp.Or(e.Address, e.Hostname),
		PeerEnterpriseID: e.PeerEnterpriseID, DialingPrefix: e.DialingPrefix, AddedSeq: integer(r.Seq), LastSeq: integer(r.Seq),
	}
	if before != nil {
		p.StatusSince = max(before.StatusSince, before.DeletedAt)
	}
	p.describe(e.Description)
	p.enter(e.Version)
	p.follow(r)
	p.stamp(r)
	ent.count("", p.Status)
	f.peers.put(p)
	f.followPeer(p, r)
	return nil
}

// changePeer applies an event to a peer that is there.
func (f *directoryFold) changePeer(ent *enterpriseRow, r events.Recorded, e events.PeerEvent) error {
	p := f.peers.get(peerKey{ent.ID, e.PeerID()})
	switch {
	case p == nil:
		return misfit(r, "there is no such peer")
	case p.DeletedSeq != 0 && isProbe(e):
		return nil // the prober did not know yet
	case p.DeletedSeq != 0:
		return misfit(r, "the peer was deleted")
	}
	if _, ok := e.(events.PeerDeleted); ok {
		f.deletePeer(ent, p, r)
		return nil
	}
	status := p.Status
	switch {
	case isProbe(e):
		p.report(e)
	case p.configure(e):
		p.stamp(r)
	default:
		return misfit(r, "this program does not know how to apply it")
	}
	p.follow(r)
	p.LastSeq = integer(r.Seq)
	ent.count(status, p.Status)
	f.peers.touch(p.key())
	if movesTrust(e) {
		f.followPeer(p, r)
	}
	return nil
}

// configure applies a configuration event; it reports false for one that it
// does not know, and has changed nothing then.
func (p *peerRow) configure(event events.PeerEvent) bool {
	switch e := event.(type) {
	case events.PeerRenamed:
		p.describe(e.To)
	case events.PeerAddressChanged:
		p.Address = e.To
	case events.PeerHostnameChanged:
		p.Hostname, p.Port = e.To, int64(e.ToPort)
		p.forget()
	case events.PeerEnterpriseChanged:
		p.PeerEnterpriseID = e.To
	case events.PeerDialingPrefixChanged:
		p.DialingPrefix = e.To
	case events.PeerVersionEntered:
		p.enter(e.To)
	case events.PeerDisabled, events.PeerEnabled: // all that they do is done to the connection
	case events.PeerNoticeRaised:
		p.Notice = encoded(e.Changes)
	case events.PeerNoticeAcknowledged:
		p.Notice = ""
	case events.PeerMaintenanceScheduled:
		p.Maintenance, p.MaintenanceStart = encoded(e), micros(e.Start)
	case events.PeerMaintenanceCancelled:
		p.Maintenance, p.MaintenanceStart = "", 0
	default:
		return false
	}
	p.Host = cmp.Or(p.Address, p.Hostname)
	return true
}

// movesTrust reports whether a peer's event may change its trusted-server entry.
func movesTrust(e events.PeerEvent) bool {
	switch e.(type) {
	case events.PeerAdded, events.PeerAddressChanged, events.PeerHostnameChanged,
		events.PeerDisabled, events.PeerEnabled, events.PeerDeleted:
		return true
	}
	return false
}

// deletePeer keeps the row with the story, and withdraws the entry with it.
func (f *directoryFold) deletePeer(ent *enterpriseRow, p *peerRow, r events.Recorded) {
	ent.count(p.Status, "")
	p.DeletedSeq, p.DeletedAt = integer(r.Seq), micros(r.Time)
	p.DeletedBy, p.DeletedReason = r.Actor, r.Reason
	p.LastSeq = integer(r.Seq)
	p.stamp(r)
	f.peers.touch(p.key())
	if t := f.trusted.get(trustedKey{p.Enterprise, events.TrustedServerOfPeer(p.ID)}); t != nil && t.RemovedSeq == 0 {
		f.removeTrustedServer(t, r)
	}
}

func (p *peerRow) describe(description string) {
	p.Description, p.DescriptionKey = description, sortKey(description)
}

func (p *peerRow) stamp(r events.Recorded) {
	p.Revision, p.UpdatedAt = integer(r.Seq), micros(r.Time)
}

// The values of version_source.
const (
	versionEntered  = "entered"
	versionDetected = "detected"
)

// enter notes a version that a person entered; one that was detected stays.
func (p *peerRow) enter(version string) {
	p.VersionEntered = version
	if p.VersionSource != versionDetected {
		p.show(version, versionEntered)
	}
}

// detect notes a version that the peer showed. When it shows none any more, the
// one that was entered counts again.
func (p *peerRow) detect(version string) {
	if version == "" {
		p.show(p.VersionEntered, versionEntered)
		return
	}
	p.show(version, versionDetected)
}

func (p *peerRow) show(version, source string) {
	p.Version, p.VersionKey, p.VersionSource = version, versionKey(version), source
	if version == "" {
		p.VersionSource = ""
	}
}

// encoded is v as JSON. What events carry can always be encoded.
func encoded(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

// decoded reads what encoded wrote; nil when it wrote nothing.
func decoded[T any](text string) *T {
	if text == "" {
		return nil
	}
	v := new(T)
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return nil
	}
	return v
}

func (p *peerRow) peer(local, upn string) Peer {
	out := Peer{
		Enterprise: p.Enterprise, ID: p.ID, Type: p.Type, Description: p.Description,
		Hostname: p.Hostname, Port: int(p.Port), Address: p.Address, Host: p.Host,
		PeerEnterpriseID: p.PeerEnterpriseID, DialingPrefix: p.DialingPrefix,
		Version: p.Version, VersionSource: p.VersionSource, LocalVersion: local, UPNPresence: upn,
		Enabled: p.Enabled, Status: p.Status, StatusSince: moment(p.StatusSince),
		Cause:       events.Cause{Layer: p.CauseLayer, Code: p.CauseCode, Message: p.CauseMessage},
		Certificate: decoded[events.PeerCertificateSeen](p.Certificate),
		Maintenance: decoded[events.PeerMaintenanceScheduled](p.Maintenance),
		Revision:    seq(p.Revision), UpdatedAt: moment(p.UpdatedAt), LastSeq: seq(p.LastSeq),
		Deleted: removal(p.DeletedSeq, p.DeletedBy, p.DeletedAt, p.DeletedReason),
	}
	if changes := decoded[[]events.NoticeChange](p.Notice); changes != nil {
		out.Notice = *changes
	}
	return out
}
