package httpapi

import (
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

func exampleCertificate() *events.PeerCertificateSeen {
	return &events.PeerCertificateSeen{NotAfter: exampleTime().AddDate(0, 0, 90), Issuer: "CN=Example CA", Subject: "CN=uc.lyon.example"}
}

// exampleReport is of a peer whose certificate is not for its hostname.
func exampleReport() ProbeReport {
	cause := events.Cause{Layer: events.LayerTLS, Code: "name_mismatch", Message: "the certificate is for other names"}
	return ProbeReport{
		Steps: []events.Step{
			{Layer: events.LayerDNS, OK: true, Message: "resolves to 192.0.2.20", TookMS: 3.1},
			{Layer: events.LayerConnect, OK: true, Message: "connected to port 443", TookMS: 11.4},
			{Layer: events.LayerTLS, Code: cause.Code, Message: cause.Message, TookMS: 24.9},
		},
		Cause: cause, Status: events.StatusDown, StatusCause: cause, Sequence: 57, Certificate: exampleCertificate(),
		Addresses: []string{"192.0.2.20"}, Started: exampleTime(), Prober: "host-1",
	}
}

func (ProbeResult) example() ProbeResult { return exampleAPI().probed(exampleReport()) }

func (TestResult) example() TestResult { return exampleAPI().tested(exampleReport()) }

func (Sample) example() Sample {
	return sampleOf(events.Sample{
		Enterprise: exampleEnterprise, Peer: examplePeer, ConfigSeq: 41, Prober: "host-1", Started: exampleTime(), OK: true, LatencyMS: 48.2,
		Addresses: []string{"192.0.2.20"}, Version: "9.7.1",
		Steps: []events.Step{
			{Layer: events.LayerDNS, OK: true, Message: "resolves to 192.0.2.20", TookMS: 3.1},
			{Layer: events.LayerConnect, OK: true, Message: "connected to port 443", TookMS: 11.4},
			{Layer: events.LayerTLS, OK: true, Message: "the certificate is good for another 90 days", TookMS: 24.9},
			{Layer: events.LayerHTTP, OK: true, Message: "answered 200", TookMS: 8.8},
		},
	})
}

func (Period) example() Period {
	return periodOf(readmodel.Period{
		Seq: 57, Status: events.StatusDown, Cause: events.Cause{Layer: events.LayerConnect, Code: "refused", Message: "nothing listens on port 443"},
		Since: exampleTime().Add(-time.Hour), Until: exampleTime(), Reported: exampleTime().Add(-time.Hour), ProbeStarted: exampleTime().Add(-time.Hour - time.Second),
	})
}

func (MaintenanceWindow) example() MaintenanceWindow {
	return windowOf(readmodel.MaintenanceWindow{
		Seq: 57, Start: exampleTime().Add(10 * time.Hour), End: exampleTime().Add(16 * time.Hour), Note: "Upgrade to 9.8", By: exampleActor,
	})
}

func (UptimeReport) example() UptimeReport {
	w := domain.Window{From: exampleTime().AddDate(0, 0, -1), To: exampleTime()}
	periods := []domain.StatusPeriod{
		{From: w.From, To: w.To.Add(-time.Hour), Status: events.StatusUp}, {From: w.To.Add(-time.Hour), To: w.To, Status: events.StatusDown},
	}
	return uptimeReport(periods, nil, []domain.Window{w}, w)
}

func (PresenceCheck) example() PresenceCheck {
	last := events.Sample{Started: exampleTime().Add(-12 * time.Second), Steps: exampleReport().Steps}
	return presenceOf(domain.CheckPresence(domain.PresenceFacts{
		Now: exampleTime(), Enterprise: exampleEnterprise, Deployment: events.DeploymentStandard, LocalHostname: "uc1.acme.example", LocalVersion: "9.8",
		Type: events.PeerMiCollab, Enabled: true, Hostname: "uc1.lyon.example", PeerEnterprise: "lyon", PeerVersion: "9.7.1",
		Host: "192.0.2.20", TrustedHost: "192.0.2.20", Probe: &last,
	}))
}
