package domain_test

import (
	"strings"
	"testing"

	"github.com/peering/peering/internal/domain"
)

func TestUPNPresence_bothSidesAt9_4(t *testing.T) {
	for _, tc := range []struct {
		local, peer, want string
		reason            string
	}{
		{"9.4", "9.4", domain.UPNYes, "9.4 or later"},
		{"9.10", "9.7.1.105", domain.UPNYes, "9.4 or later"},
		{"10.0", "9.4.0.0", domain.UPNYes, "9.4 or later"},
		{"9.3", "9.8", domain.UPNNo, "the local server is at 9.3"},
		{"9.8", "9.3.9.999", domain.UPNNo, "the peer is at 9.3.9.999"},
		{"8.1", "9.1", domain.UPNNo, "the local server is at 8.1 and the peer is at 9.1"},
		{"9.3", "", domain.UPNNo, "the local server is at 9.3"},
		{"", "9.3", domain.UPNNo, "the peer is at 9.3"},
		{"9.8", "", domain.UPNUnknown, "the version of the peer is not known"},
		{"", "9.8", domain.UPNUnknown, "the version of the local server is not known"},
		{"", "", domain.UPNUnknown, "of the local server and of the peer"},
		{"9.8", "N/A", domain.UPNUnknown, "the peer"},
		{"9.8", "9.4-beta", domain.UPNUnknown, "the peer"},
	} {
		got := domain.UPNPresence(tc.local, tc.peer)
		if got.Value != tc.want || !strings.Contains(got.Reason, tc.reason) {
			t.Errorf("UPNPresence(%q, %q) = %+v, want %s because %q", tc.local, tc.peer, got, tc.want, tc.reason)
		}
	}
}

func TestCheckVersion_rules(t *testing.T) {
	for _, ok := range []string{"9.4", "9.7.1.105", "9.10", "09.4", "1.2.3.4.5.6", "999999999.0"} {
		if err := domain.CheckVersion(ok); err != nil {
			t.Errorf("CheckVersion(%q): %v", ok, err)
		}
	}
	for _, bad := range []string{"", "9", "9.", ".9", "9..4", "v9.4", "9.4-beta", "9.4+1", " 9.4", "9.4\n", "９.４", "1.2.3.4.5.6.7", "9999999999.0", "-1.2", strings.Repeat("1.", 1<<16)} {
		if err := domain.CheckVersion(bad); err == nil {
			t.Errorf("CheckVersion(%.40q) accepts it", bad)
		}
	}
}

func FuzzUPNPresence(f *testing.F) {
	f.Add("9.4", "9.7.1.105")
	f.Add("", "9.3")
	f.Add("v9", "9.4-beta")
	f.Fuzz(func(t *testing.T, local, peer string) {
		there, back := domain.UPNPresence(local, peer), domain.UPNPresence(peer, local)
		if there.Value != back.Value {
			t.Errorf("%q and %q: %s one way, %s the other", local, peer, there.Value, back.Value)
		}
		known := domain.CheckVersion(local) == nil && domain.CheckVersion(peer) == nil
		if known && there.Value == domain.UPNUnknown || !known && there.Value == domain.UPNYes {
			t.Errorf("%q and %q: %s", local, peer, there.Value)
		}
	})
}

func BenchmarkUPNPresence(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		domain.UPNPresence("9.8", "9.7.1.105")
	}
}
