package domain_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

// healthy is a peer that was always as it is now.
func healthy() (domain.Before, domain.Seen) {
	return domain.Before{Version: "9.7", AddressSeen: true, NameCovered: true}, domain.Seen{
		Started: domaintest.Start(), NotAfter: domaintest.Start().Add(90 * 24 * time.Hour),
		Names: []string{"pbx.acme.example"}, Addresses: addresses("192.0.2.10", "2001:db8::10"), Version: "9.7",
	}
}

func addresses(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func codes(list []events.Cause) (out []string) {
	for _, c := range list {
		out = append(out, c.Layer+"/"+c.Code)
	}
	return out
}

const (
	expiring     = "tls/certificate_expiring"
	unreadable   = "http/version_unreadable"
	addressDrift = "dns/address_drift"
	nameDrift    = "tls/name_drift"
)

func TestAttention_rules(t *testing.T) {
	const day = 24 * time.Hour
	in := func(d time.Duration) func(*domain.Before, *domain.Seen) {
		return func(_ *domain.Before, s *domain.Seen) { s.NotAfter = s.Started.Add(d) }
	}
	trusts := func(host string) func(*domain.Before, *domain.Seen) {
		return func(b *domain.Before, _ *domain.Seen) { b.TrustedHost = host }
	}
	for rule, test := range map[string]struct {
		change func(*domain.Before, *domain.Seen)
		want   []string
	}{
		"nothing":                              {func(*domain.Before, *domain.Seen) {}, nil},
		"22 days are enough":                   {in(22 * day), nil},
		"21 whole days and hours are not":      {in(22*day - time.Second), []string{expiring}},
		"an hour is not":                       {in(time.Hour), []string{expiring}},
		"an end that has passed is not":        {in(-day), []string{expiring}},
		"no certificate was seen":              {func(_ *domain.Before, s *domain.Seen) { s.NotAfter = time.Time{} }, nil},
		"the version is not readable any more": {func(_ *domain.Before, s *domain.Seen) { s.Version = "" }, []string{unreadable}},
		"the version never was":                {func(b *domain.Before, s *domain.Seen) { b.Version, s.Version = "", "" }, nil},
		"the version is another":               {func(_ *domain.Before, s *domain.Seen) { s.Version = "9.8" }, nil},
		"the trusted address is there":         {trusts("192.0.2.10"), nil},
		"as another form of it":                {trusts("::ffff:192.0.2.10"), nil},
		"the trusted address is not":           {trusts("192.0.2.11"), []string{addressDrift}},
		"the trusted name is the same server": {func(b *domain.Before, s *domain.Seen) {
			b.TrustedHost, b.NameCovered, s.Trusted = "edge.acme.example", false, s.Addresses[:1]
		}, nil},
		"the trusted name is another server now": {func(b *domain.Before, s *domain.Seen) {
			b.TrustedHost, b.NameCovered, s.Trusted = "edge.acme.example", false, []netip.Addr{netip.MustParseAddr("198.51.100.1")}
		}, []string{addressDrift}},
		"the trusted name always was another server": {func(b *domain.Before, s *domain.Seen) {
			b.TrustedHost, b.NameCovered, b.AddressSeen, s.Trusted = "edge.acme.example", false, false, []netip.Addr{netip.MustParseAddr("198.51.100.1")}
		}, nil},
		"the trusted name was not resolved": {func(b *domain.Before, s *domain.Seen) {
			b.TrustedHost, b.NameCovered = "edge.acme.example", false
		}, nil},
		"the trusted address never was": {func(b *domain.Before, _ *domain.Seen) {
			b.TrustedHost, b.AddressSeen = "192.0.2.11", false
		}, nil},
		"nothing was resolved": {func(b *domain.Before, s *domain.Seen) {
			b.TrustedHost, s.Addresses = "192.0.2.11", nil
		}, nil},
		"the trusted name is covered": {trusts("pbx.acme.example"), nil},
		"the trusted name is not":     {trusts("sbc.acme.example"), []string{nameDrift}},
		"the trusted name never was":  {func(b *domain.Before, _ *domain.Seen) { b.TrustedHost, b.NameCovered = "sbc.acme.example", false }, nil},
		"a certificate without names": {func(b *domain.Before, s *domain.Seen) { b.TrustedHost, s.Names = "sbc.acme.example", nil }, []string{nameDrift}},
		"a name where none was presented": {func(b *domain.Before, s *domain.Seen) {
			*s = domain.Seen{Started: s.Started, Version: "9.7"}
			b.TrustedHost = "a.b"
		}, nil},
		"drift is worse than the end of the certificate": {func(b *domain.Before, s *domain.Seen) {
			b.TrustedHost, s.NotAfter, s.Version = "sbc.acme.example", s.Started.Add(10*day), ""
		}, []string{nameDrift, expiring, unreadable}},
		"unless that is near": {func(b *domain.Before, s *domain.Seen) {
			b.TrustedHost, s.NotAfter, s.Version = "192.0.2.11", s.Started.Add(4*day-1), ""
		}, []string{expiring, addressDrift, unreadable}},
	} {
		b, s := healthy()
		test.change(&b, &s)
		if got := codes(domain.DefaultJudgeRules().Attention(b, s)); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", rule, got, test.want)
		}
	}
}

func TestAttention_messagesNameWhatIsWrong(t *testing.T) {
	b, s := healthy()
	s.NotAfter = time.Date(2026, 1, 6, 23, 0, 0, 0, time.UTC)
	s.Version = ""
	s.Addresses = addresses("192.0.2.1", "::ffff:192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6")
	messages := func(trusted string) (out []string) {
		b.TrustedHost = trusted
		for _, c := range domain.DefaultJudgeRules().Attention(b, s) {
			out = append(out, c.Message)
		}
		return out
	}
	certificate, version := "The certificate ends on 2026-01-06 (1 day left on 2026-01-05).", "The version, last 9.7, could not be read any more."
	if diff := cmp.Diff([]string{
		certificate, "The trusted entry names 192.0.2.10, but the hostname resolves to 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4 and 2 more.", version,
	}, messages("192.0.2.10")); diff != "" {
		t.Error(diff)
	}
	s.Names = []string{"evil\x1b[2J\u00e9", strings.Repeat("a", 1_000_000)}
	if diff := cmp.Diff([]string{
		certificate, "The trusted entry names sbc.acme.example, but the certificate is for evil?[2J?, " + strings.Repeat("a", domain.MaxHostname) + ".", version,
	}, messages("sbc.acme.example")); diff != "" {
		t.Error(diff)
	}
	s.Names = nil
	if got := messages("sbc.acme.example")[1]; !strings.HasSuffix(got, "the certificate is for none.") {
		t.Errorf("got %q", got)
	}
}

func TestAddressMatches_byValue(t *testing.T) {
	resolved := addresses("192.0.2.10", "2001:db8::10", "::ffff:192.0.2.11")
	for host, want := range map[string]bool{
		"192.0.2.10": true, "::ffff:192.0.2.10": true, "::ffff:c000:20a": true, "2001:DB8:0::10": true, "192.0.2.11": true,
		"192.0.2.1": false, "2001:db8::1": false, "pbx.acme.example": false, "": false,
	} {
		if got := domain.AddressMatches(host, resolved); got != want {
			t.Errorf("%q: got %v, want %v", host, got, want)
		}
	}
}

func TestNameCovers_asCertificatesAreRead(t *testing.T) {
	for _, test := range []struct {
		name, host string
		want       bool
	}{
		{"pbx.acme.example", "pbx.acme.example", true},
		{"PBX.Acme.Example.", "pbx.acme.example", true},
		{"pbx.acme.example", "PBX.acme.example.", true},
		{"pbx.acme.example", "sbc.acme.example", false},
		{"acme.example", "pbx.acme.example", false},
		{"*.acme.example", "pbx.acme.example", true},
		{"*.ACME.example", "xn--bcher-kva.acme.example", true},
		{"*.acme.example", "acme.example", false},
		{"*.acme.example", "a.pbx.acme.example", false},
		{"*.acme.example", ".acme.example", false},
		{"*.acme.example", "*.acme.example", false},
		{"pbx*.acme.example", "pbx1.acme.example", false},
		{"pbx.*.example", "pbx.acme.example", false},
		{"*.*.example", "pbx.acme.example", false},
		{"*", "localhost", false},
		{"*", "pbx.acme.example", false},
		{"*.", "localhost", false},
		{"*..", "localhost", false},
		{"*.0.2.10", "192.0.2.10", false},
		{"192.0.2.10", "192.0.2.10", true},
		{"::ffff:192.0.2.10", "192.0.2.10", true},
		{"2001:db8:0:0::10", "2001:db8::10", true},
		{"192.0.2.1", "192.0.2.10", false},
		{"", "", false},
		{"", "pbx.acme.example", false},
	} {
		if got := domain.NameCovers([]string{"other.example", test.name}, test.host); got != test.want {
			t.Errorf("%q for %q: got %v, want %v", test.name, test.host, got, test.want)
		}
	}
	if domain.NameCovers(nil, "pbx.acme.example") {
		t.Error("no names cover something")
	}
}

func TestNameCovers_aWildcardIsOneLabelAsWritten(t *testing.T) {
	label := rapid.StringMatching(`[a-z]([a-z0-9-]{0,5}[a-z0-9])?`)
	rapid.Check(t, func(t *rapid.T) {
		host := rapid.SliceOfN(label, 1, 4).Draw(t, "host")
		name := rapid.SliceOfN(label, 1, 4).Draw(t, "name")
		if rapid.Bool().Draw(t, "related") {
			name = slices.Clone(host)
		}
		wild := rapid.Bool().Draw(t, "wild")
		want := slices.Equal(host, name)
		if wild {
			name[0] = "*"
			want = len(host) == len(name) && len(host) > 1 && slices.Equal(host[1:], name[1:])
		}
		if got := domain.NameCovers([]string{strings.Join(name, ".")}, strings.Join(host, ".")); got != want {
			t.Fatalf("%q for %q: got %v, want %v", name, host, got, want)
		}
	})
}
