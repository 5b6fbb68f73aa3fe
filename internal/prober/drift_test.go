package prober

import (
	"testing"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// TestDrift_theTrustedEntryNamesAnotherServerAfterAll: the row says so while the
// peer still answers.
func TestDrift_theTrustedEntryNamesAnotherServerAfterAll(t *testing.T) {
	here, there := addresses([]string{"192.0.2.1", "192.0.2.2"}), addresses([]string{"198.51.100.1"})
	for name, trusted := range map[string]string{"an address": "192.0.2.1", "a name": "edge.example"} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.set("h0.example", server{addresses: here})
				w.set("edge.example", server{addresses: here[1:]})
				peer := added("p0", "h0.example")
				peer.Address = trusted
				w.configure(acme, peer)
				w.start("a")
				time.Sleep(5 * time.Minute)
				w.wantStatuses("p0", up)
				w.set("h0.example", server{addresses: there})
				time.Sleep(5 * time.Minute)
				w.wantStatuses("p0", up, events.StatusDegraded)
				if c := w.status("p0").Cause; c.Layer != events.LayerDNS || c.Code != domain.CauseAddressDrift {
					t.Errorf("%+v", c)
				}
				w.set("h0.example", server{addresses: here})
				time.Sleep(5 * time.Minute)
				w.wantStatuses("p0", up, events.StatusDegraded, up)
			})
		})
	}
}
