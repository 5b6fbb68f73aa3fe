package events

import (
	"testing"
	"time"
)

// at is the moment of every sample.
var at = time.Date(2026, 3, 14, 9, 26, 53, 589793000, time.UTC)

// samples has one event of every type with every field set.
func samples() map[Type]Event {
	local := Server{Hostname: "mas.acme.example", Address: "192.0.2.10", Version: "9.7.1.105", Deployment: DeploymentStandard}
	moved := local
	moved.Address = "192.0.2.11"
	const peer, trusted = PeerID("01hq7y2k9d"), TrustedServerID("ts-01hq7y2k9e")
	changes := []NoticeChange{{Field: "address", From: "192.0.2.10", To: "192.0.2.11"}}
	all := []Event{
		EnterpriseRegistered{Enterprise: "demo-acme", Description: "Acme", Domain: "acme.example", Server: local},
		EnterpriseDescribed{From: "Acme", To: "Acme Ltd"},
		EnterpriseDomainChanged{From: "acme.example", To: "acme.test"},
		EnterpriseServerChanged{From: local, To: moved},
		EnterpriseRemoved{Description: "Acme Ltd"},
		PeerAdded{
			Peer: peer, PeerType: PeerMiCollab, Description: "Globex Berlin", Hostname: "mas.globex.example", Port: 443,
			Address: "198.51.100.7", PeerEnterpriseID: "globex-de", DialingPrefix: "*81", Version: "9.4",
		},
		PeerRenamed{Peer: peer, From: "Globex Berlin", To: "Globex Bonn"},
		PeerAddressChanged{Peer: peer, From: "198.51.100.7", To: "198.51.100.8", FromHost: "198.51.100.7", ToHost: "198.51.100.8"},
		PeerHostnameChanged{
			Peer: peer, From: "mas.globex.example", To: "pbx.globex.example", FromPort: 443, ToPort: 8443,
			FromHost: "mas.globex.example", ToHost: "pbx.globex.example",
		},
		PeerEnterpriseChanged{Peer: peer, From: "globex-de", To: "globex-at"},
		PeerDialingPrefixChanged{Peer: peer, From: "*81", To: "#9"},
		PeerVersionEntered{Peer: peer, From: "9.4", To: "9.10"},
		PeerDisabled{Peer: peer},
		PeerEnabled{Peer: peer},
		PeerDeleted{Peer: peer, Description: "Globex Bonn", Hostname: "pbx.globex.example", PeerEnterpriseID: "globex-at", Host: "198.51.100.8"},
		PeerNoticeRaised{Peer: peer, Changes: changes},
		PeerNoticeAcknowledged{Peer: peer, Changes: changes},
		PeerMaintenanceScheduled{Peer: peer, Start: at, End: at.Add(2 * time.Hour), Note: "new certificate"},
		PeerMaintenanceCancelled{Peer: peer, Start: at, End: at.Add(2 * time.Hour)},
		TrustedServerAdded{TrustedServer: trusted, Description: "Presence hub", Host: "203.0.113.5", TrustType: TrustPresence},
		TrustedServerRenamed{TrustedServer: TrustedServerOfPeer(peer), Peer: peer, From: "Globex Bonn", To: "Bonn"},
		TrustedServerChanged{TrustedServer: trusted, FromHost: "203.0.113.5", ToHost: "203.0.113.6", FromType: TrustPresence, ToType: TrustIM},
		TrustedServerRemoved{TrustedServer: trusted, Description: "Presence hub", Host: "203.0.113.6", TrustType: TrustIM},
		PeerStatusChanged{
			Peer: peer, From: StatusUp, To: StatusDown,
			Cause: Cause{Layer: "tls", Code: "name_mismatch", Message: "The certificate names pbx.globex.example, not mas.globex.example."},
			Since: at, ConfigSeq: 41, ProbeStarted: at.Add(-1500 * time.Millisecond),
			Resolved: []string{"192.0.2.7", "2001:db8::7"},
		},
		PeerVersionDetected{Peer: peer, From: "9.4", To: "9.7.1.105", ConfigSeq: 41},
		PeerCertificateSeen{
			Peer: peer, NotBefore: at, NotAfter: at.AddDate(1, 0, 0), Issuer: "CN=Globex CA", Subject: "CN=mas.globex.example",
			Names: []string{"mas.globex.example", "pbx.globex.example"}, Fingerprint: "5f4dcc3b5aa765d61d8327deb882cf99", ConfigSeq: 41,
		},
	}
	byType := make(map[Type]Event, len(all))
	for _, e := range all {
		byType[e.Type()] = e
	}
	return byType
}

// envelope wraps e as the second of three events, with every header there is.
func envelope(e Event) Envelope {
	return Envelope{
		ID: NewEventID("demo-acme", "cmd-1", 1), Enterprise: "demo-acme", Time: at,
		CommandID: "cmd-1", CommandHash: "9b74c9897bac770ffc029102a200c5de", Index: 1, Count: 3,
		CorrelationID: "order-7", CausationID: "evt-6", Actor: "token:provisioning", OnBehalfOf: "Zoë Müller",
		Reason: "Moved to the new data centre", Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		Event: e,
	}
}

// subjectOf is where e belongs.
func subjectOf(e Envelope) Subject {
	switch ev := e.Event.(type) {
	case PeerStatusChanged, PeerVersionDetected, PeerCertificateSeen:
		return StatusSubject(e.Enterprise, ev.(PeerEvent).PeerID())
	}
	return ConfigSubject(e.Enterprise)
}

// message is e as it lies in the log.
func message(tb testing.TB, codec Codec, e Envelope) Message {
	tb.Helper()
	header, data, err := codec.Encode(subjectOf(e), e)
	if err != nil {
		tb.Fatalf("encode %s: %v", e.Event.Type(), err)
	}
	return Message{Seq: 42, Subject: string(subjectOf(e)), Header: header, Data: data}
}
