package httpapi

import (
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// notApplicable is what the columns of an external peer show that only a
// MiCollab Client Service has.
const notApplicable = "N/A"

// Peer is how a row of the peer table reads. A value that is null is not known,
// or not given; one that an external peer cannot have is "N/A" or null.
type Peer struct {
	ID               events.PeerID       `json:"id" example:"0198c5c6-2a6f-7c80-9d4e-0d6f5a1b2c3d"`
	Enterprise       events.EnterpriseID `json:"enterprise" doc:"The enterprise it belongs to." example:"acme"`
	Type             events.PeerType     `json:"type" enum:"micollab,external"`
	Description      string              `json:"description" example:"Branch Lyon"`
	Server           string              `json:"server" doc:"The hostname, or N/A for an external peer." example:"uc1.lyon.example"`
	Hostname         *string             `json:"hostname" example:"uc1.lyon.example"`
	Port             *int                `json:"port" example:"443"`
	Address          *string             `json:"address" doc:"As configured; null: it follows the hostname." example:"192.0.2.20"`
	PeerEnterpriseID *string             `json:"peer_enterprise_id" doc:"The enterprise on the other server." example:"lyon"`
	DialingPrefix    *string             `json:"dialing_prefix" example:"81"`
	Version          *string             `json:"version" doc:"Null: not known; N/A for an external peer." example:"9.7.1"`
	VersionSource    *string             `json:"version_source" enum:"entered,detected"`
	Status           events.Status       `json:"status" enum:"unknown,up,degraded,down,disabled,N/A"`
	StatusCause      *StatusCause        `json:"status_cause"`
	StatusSince      *time.Time          `json:"status_since"`
	LastProbe        *time.Time          `json:"last_probe" doc:"When the last probe of it began; null: none is known."`
	LatencyMS        *float64            `json:"latency_ms" doc:"Milliseconds that the last answer took; null: there was none."`
	UPNPresence      UPNPresence         `json:"upn_presence" doc:"Whether the presence of users whose login id is a UPN is visible."`
	Certificate      *Certificate        `json:"certificate" doc:"The certificate that the peer showed last."`
	Enabled          bool                `json:"enabled"`
	Notice           *Notice             `json:"notice" doc:"What the other side has to be told; null: nothing."`
	Maintenance      *Maintenance        `json:"maintenance" doc:"When the peer may be away without alarm."`
	AdminURL         *string             `json:"admin_url" doc:"The peer's own administrator interface." example:"https://uc1.lyon.example/"`
	Revision         events.Seq          `json:"revision" doc:"Sequence of its last configuration event."`
	UpdatedAt        time.Time           `json:"updated_at"`
	Deleted          *Deleted            `json:"deleted,omitempty" doc:"The story of a deleted peer, in the list of the deleted."`
}

// StatusCause says why the status is what it is.
type StatusCause struct {
	Layer   string `json:"layer" doc:"dns, connect, tls, http or policy." example:"tls"`
	Code    string `json:"code" doc:"Stable name of the cause." example:"name_mismatch"`
	Message string `json:"message" doc:"A sentence for a person."`
}

// UPNPresence is a computed column.
type UPNPresence struct {
	Value  string `json:"value" enum:"yes,no,unknown"`
	Reason string `json:"reason" doc:"A sentence that names the side it depends on."`
}

// Certificate describes what the peer showed.
type Certificate struct {
	NotAfter time.Time `json:"not_after"`
	DaysLeft int       `json:"days_left" doc:"Whole days until it expires; negative: it has."`
	Issuer   string    `json:"issuer"`
	Subject  string    `json:"subject"`
}

// Notice is what the other side has to be told by hand.
type Notice struct {
	Changes []events.NoticeChange `json:"changes" nullable:"false"`
}

// Maintenance is an announced absence.
type Maintenance struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	Note  string    `json:"note,omitempty"`
}

// Deleted is the story of something that is gone.
type Deleted struct {
	Sequence events.Seq `json:"sequence"`
	By       string     `json:"by"`
	At       time.Time  `json:"at"`
	Reason   string     `json:"reason,omitempty"`
}

// TransformSchema implements huma.SchemaTransformer.
func (Peer) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return mayBeNull(s, "status_cause", "certificate", "notice", "maintenance")
}

func (a *api) peerOf(row readmodel.Peer) Peer {
	p := Peer{
		ID: row.ID, Enterprise: row.Enterprise, Type: row.Type, Description: row.Description,
		Server: row.Hostname, Hostname: orNull(row.Hostname), Address: orNull(row.Address),
		PeerEnterpriseID: orNull(string(row.PeerEnterpriseID)), DialingPrefix: orNull(row.DialingPrefix),
		Version: orNull(row.Version), VersionSource: orNull(row.VersionSource),
		Status: row.Status, StatusCause: causeOrNull(row.Cause), StatusSince: timeOrNull(row.StatusSince),
		LastProbe: timeOrNull(row.LastProbe), LatencyMS: numberOrNull(milliseconds(row.Latency)), Certificate: a.certificateOf(row.Certificate),
		UPNPresence: UPNPresence{row.UPNPresence, domain.UPNPresence(row.LocalVersion, row.Version).Reason},
		Enabled:     row.Enabled, Revision: row.Revision, UpdatedAt: row.UpdatedAt.UTC(),
	}
	if len(row.Notice) > 0 {
		p.Notice = &Notice{row.Notice}
	}
	if m := row.Maintenance; m != nil {
		p.Maintenance = &Maintenance{m.Start.UTC(), m.End.UTC(), m.Note}
	}
	if d := row.Deleted; d != nil {
		p.Deleted = &Deleted{d.Seq, d.By, d.At.UTC(), d.Reason}
	}
	if row.Type == events.PeerExternal {
		na := notApplicable
		p.Server, p.Version, p.Status = na, &na, events.StatusNA
		p.UPNPresence.Reason = "an external peer has no versions to compare"
		return p
	}
	url := a.adminURL.of(row)
	p.Port, p.AdminURL = &row.Port, &url
	return p
}

// daysUntil counts whole days, rounding down: a certificate that expires today
// has 0 days left, one that expired an hour ago -1.
func daysUntil(now, end time.Time) int {
	const day = 24 * time.Hour
	left := end.Sub(now)
	days := int(left / day)
	if left < 0 && left%day != 0 {
		days--
	}
	return days
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// peerInput, and the types below, describe bodies in the OpenAPI document.
// Nothing is read into them.
type peerInput struct {
	_                struct{} `additionalProperties:"false"`
	Type             string   `json:"type" enum:"micollab,external" doc:"Fixed after adding. An external peer takes a description and nothing else."`
	Description      string   `json:"description" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9 -]+$" doc:"Unique in the enterprise without regard to case."`
	Hostname         *string  `json:"hostname,omitempty" nullable:"true" doc:"FQDN, as in the peer's certificate. Required for micollab."`
	Port             *int     `json:"port,omitempty" nullable:"true" minimum:"1" maximum:"65535" doc:"443 when not given."`
	Address          *string  `json:"address,omitempty" nullable:"true" doc:"IP address or FQDN at which the peer connects; left out: it follows the hostname."`
	PeerEnterpriseID *string  `json:"peer_enterprise_id,omitempty" nullable:"true" doc:"The enterprise on the other server. Required for micollab."`
	DialingPrefix    *string  `json:"dialing_prefix,omitempty" nullable:"true" maxLength:"20" pattern:"^[0-9*#]+$" doc:"Without the digit for outgoing calls."`
	Version          *string  `json:"version,omitempty" nullable:"true" doc:"As far as it is known."`
}

type peerPatch struct {
	_                struct{} `additionalProperties:"false"`
	Peer             string   `json:"peer,omitempty" doc:"May repeat what the path says."`
	Type             string   `json:"type,omitempty" enum:"micollab,external" doc:"May only repeat what it is."`
	Description      string   `json:"description,omitempty" minLength:"1" maxLength:"64"`
	Hostname         string   `json:"hostname,omitempty"`
	Port             *int     `json:"port,omitempty" nullable:"true" minimum:"1" maximum:"65535" doc:"Null: 443."`
	Address          *string  `json:"address,omitempty" nullable:"true" doc:"Null: it follows the hostname again."`
	PeerEnterpriseID string   `json:"peer_enterprise_id,omitempty"`
	DialingPrefix    *string  `json:"dialing_prefix,omitempty" nullable:"true" maxLength:"20" doc:"Null: none."`
	Version          *string  `json:"version,omitempty" nullable:"true" doc:"Null: not known."`
	Enabled          bool     `json:"enabled,omitempty"`
}

type maintenanceInput struct {
	_     struct{}  `additionalProperties:"false"`
	Peer  string    `json:"peer,omitempty" doc:"May repeat what the path says."`
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	Note  string    `json:"note,omitempty"`
}

func addPeerDoc() *bodyDoc {
	return &bodyDoc{
		command: domain.AddPeer{}.Name(), schema: reflect.TypeFor[peerInput](),
		examples: map[string]any{
			"MiCollab Client Service": map[string]any{
				"type": "micollab", "description": "Branch Lyon", "hostname": "uc1.lyon.example",
				"address": "192.0.2.20", "peer_enterprise_id": "lyon", "dialing_prefix": "81", "version": "9.7.1",
			},
			"External": map[string]any{"type": "external", "description": "Partner XMPP"},
		},
	}
}

func editPeerDoc() *bodyDoc {
	return &bodyDoc{
		command: domain.EditPeer{}.Name(), schema: reflect.TypeFor[peerPatch](),
		examples: map[string]any{
			"Move":                map[string]any{"address": "192.0.2.21"},
			"Follow the hostname": map[string]any{"address": nil},
			"Rename and disable":  map[string]any{"description": "Branch Lyon old", "enabled": false},
		},
	}
}

func maintenanceDoc() *bodyDoc {
	return &bodyDoc{
		command: domain.ScheduleMaintenance{}.Name(), schema: reflect.TypeFor[maintenanceInput](),
		examples: map[string]any{"One night": map[string]any{
			"start": "2026-03-01T22:00:00Z", "end": "2026-03-02T04:00:00Z", "note": "Upgrade to 9.8",
		}},
	}
}
