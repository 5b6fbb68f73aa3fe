package httpapi

import (
	"encoding/json"
	"time"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// exampled is an answer that can show how it looks, for the OpenAPI document. An
// example is made as the answer itself is made, so that it cannot be out of date.
type exampled[T any] interface{ example() T }

// What the examples are about.
const (
	exampleEnterprise events.EnterpriseID = "acme"
	examplePeer                           = "0198c5c6-2a6f-7c80-9d4e-0d6f5a1b2c3d"
	exampleToken                          = "0198c5c8-7d1e-7a20-b3c4-5d6e7f8a9b0c"
	exampleActor                          = "provisioning (token:" + exampleToken + ")"
	exampleProjection                     = "directory"
)

// exampleAPI shows examples: it has no settings of the deployment, which are
// nobody's business, and its clock stands still.
func exampleAPI() *api {
	return &api{adminURL: DefaultAdminURL, now: exampleTime, registry: events.Default()}
}

func exampleTime() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// example is a page with one row; without any, its rows have no example.
func (List[T]) example() List[T] {
	list := List[T]{Items: []T{}, Sequence: 57}
	var row T
	if e, ok := any(row).(exampled[T]); ok {
		list.Items = append(list.Items, e.example())
	}
	return list
}

func (Receipt) example() Receipt { return Receipt{ID: examplePeer, Sequence: 57} }

func (Enterprise) example() Enterprise {
	return (&call{principal: nobody()}).enterpriseOf(readmodel.Enterprise{
		ID: exampleEnterprise, Description: "Acme headquarters", Domain: "acme.example",
		Server:     events.Server{Hostname: "uc1.acme.example", Address: "192.0.2.10", Version: "9.8", Deployment: events.DeploymentStandard},
		PeersTotal: 2, ByStatus: map[events.Status]int{events.StatusUp: 1, events.StatusNA: 1},
		Revision: 41, UpdatedAt: exampleTime(), LastSeq: 57,
	})
}

func (Peer) example() Peer {
	return exampleAPI().peerOf(readmodel.Peer{
		Enterprise: exampleEnterprise, ID: examplePeer, Type: events.PeerMiCollab, Description: "Branch Lyon",
		Hostname: "uc1.lyon.example", Port: 443, Address: "192.0.2.20", Host: "192.0.2.20",
		PeerEnterpriseID: "lyon", DialingPrefix: "81", Version: "9.7.1", VersionSource: "entered", LocalVersion: "9.8",
		UPNPresence: domain.UPNPresence("9.8", "9.7.1").Value, Enabled: true,
		Status: events.StatusDegraded, StatusSince: exampleTime().Add(-time.Hour),
		Cause:     events.Cause{Layer: "tls", Code: "name_mismatch", Message: "the certificate is for other names"},
		LastProbe: exampleTime().Add(-12 * time.Second), Latency: 48 * time.Millisecond,
		Certificate: exampleCertificate(),
		Notice:      []events.NoticeChange{{Field: "address", From: "192.0.2.10", To: "192.0.2.11"}},
		Maintenance: &events.PeerMaintenanceScheduled{Start: exampleTime().Add(10 * time.Hour), End: exampleTime().Add(16 * time.Hour), Note: "Upgrade"},
		Revision:    41, UpdatedAt: exampleTime(), LastSeq: 57,
	})
}

func (BulkReply) example() BulkReply {
	return BulkReply{ID: string(exampleEnterprise), Sequence: 57, Results: rowsOf([]domain.OperationResult{
		{Index: 0, Result: domain.Done, ID: examplePeer},
		{Index: 1, Result: domain.Refused, Error: &domain.Error{Code: domain.Exists, Field: "description", Msg: "another peer has this description"}},
	})}
}

func (TrustedServer) example() TrustedServer {
	return trustedServerOf(readmodel.TrustedServer{
		ID: "0198c5c7-11aa-7d10-8e5f-6a7b8c9d0e1f", Enterprise: exampleEnterprise, Description: "Presence gateway",
		Host: "192.0.2.30", Type: events.TrustPresence, Revision: 57, UpdatedAt: exampleTime(),
		Since: readmodel.Since{Seq: 57, Time: exampleTime(), Actor: exampleActor, Reason: "New gateway"},
	})
}

func (Token) example() Token {
	return tokenOf(readmodel.Token{
		ID: exampleToken, Role: string(access.Operator), Enterprise: exampleEnterprise, Note: "provisioning",
		CreatedAt: exampleTime(), CreatedBy: access.Loopback().Actor, LastUsed: exampleTime().Add(time.Hour),
	})
}

func (NewToken) example() NewToken {
	return NewToken{ID: exampleToken, Token: "peering_EXAMPLE-shown-this-once"}
}

func (Event) example() Event {
	return exampleAPI().eventOf(readmodel.Event{
		Seq: 57, ID: "3f0c8a5e-7b1d-5c52-9a57-2f6f0d3e1c11", Time: exampleTime(), Type: events.PeerAddressChanged{}.Type(), Version: 1,
		Enterprise: exampleEnterprise, Peer: examplePeer, Actor: exampleActor, Reason: "New firewall",
		CommandID: "order-4711", CorrelationID: "order-4711",
		Data: json.RawMessage(`{"peer":"` + examplePeer + `","from":"","to":"192.0.2.21","from_host":"uc1.lyon.example","to_host":"192.0.2.21"}`),
	})
}

func (Projection) example() Projection {
	job := Job{}.example()
	return Projection{Name: exampleProjection, Version: 1, Position: 57, End: 57, Held: []Held{}, Owner: orNull("host-1"), Job: &job}
}

func (Job) example() Job {
	return Job{Projection: exampleProjection, Kind: "verify", End: 57, StartedAt: exampleTime()}
}

func (DeadEvent) example() DeadEvent {
	return deadOf(readmodel.BuriedEvent{
		Projection: exampleProjection, HeldAt: 57,
		DeadEvent: readmodel.DeadEvent{
			Seq: 57, Enterprise: exampleEnterprise, Subject: string(events.ConfigSubject(exampleEnterprise)), Type: events.PeerAddressChanged{}.Type(),
			Error: "the peer is not there", Stored: exampleTime(),
		},
	})
}

func (Retried) example() Retried { return Retried{Healed: true} }
