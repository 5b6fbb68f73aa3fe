package domain_test

import (
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/peering/peering/internal/domain"
)

// label63 is the longest label, name253 the longest name.
var (
	label63 = strings.Repeat("a", 63)
	name253 = strings.Join([]string{label63, label63, label63, strings.Repeat("b", 61)}, ".")
)

func TestNormaliseHostname_storedForm(t *testing.T) {
	for in, want := range map[string]string{
		"pbx.example":            "pbx.example",
		"PBX.Example":            "pbx.example",
		"pbx.example.":           "pbx.example",
		"bücher.example":         "xn--bcher-kva.example",
		"BÜCHER.example":         "xn--bcher-kva.example",
		"xn--bcher-kva.example":  "xn--bcher-kva.example",
		"pbx。example":            "pbx.example", // an ideographic full stop is a dot
		"1.example":              "1.example",
		"a-b.c-d.example":        "a-b.c-d.example",
		label63 + ".example":     label63 + ".example",
		name253:                  name253,
		name253 + ".":            name253,
		"192.0.2.1.example":      "192.0.2.1.example",
		"pbx.xn--bcher-kva":      "pbx.xn--bcher-kva",
		"sub.domain.pbx.example": "sub.domain.pbx.example",
		"R3---sn.Example":        "r3---sn.example",
		"ab--c.example":          "ab--c.example",
		"ab--c.xn--bcher-kva":    "ab--c.xn--bcher-kva",
		"a--b.example":           "a--b.example",
		"XN--BCHER-KVA.example":  "xn--bcher-kva.example",
	} {
		if got, err := domain.NormaliseHostname(in); err != nil || got != want {
			t.Errorf("NormaliseHostname(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestNormaliseHostname_rules(t *testing.T) {
	for in, words := range map[string]string{
		"":                             "required",
		"pbx":                          "fully qualified",
		"pbx.":                         "fully qualified",
		".":                            "empty label",
		"..":                           "empty label",
		".pbx.example":                 "empty label",
		"pbx..example":                 "empty label",
		"pbx.example..":                "empty label",
		"pbx .example":                 "DNS name",
		" pbx.example":                 "DNS name",
		"pbx.example\n":                "DNS name",
		"p_b.example":                  "DNS name",
		"-pbx.example":                 "DNS name",
		"pbx-.example":                 "DNS name",
		"--pbx.example":                "DNS name",
		"r3--.example":                 "DNS name",
		"r3---.example":                "DNS name",
		"pbx.-":                        "DNS name",
		"pbx.example-.":                "DNS name",
		"xn--pbx-.example":             "DNS name",
		"XN--A.example":                "DNS name",
		"xn--ab---jva.example":         "DNS name", // ab--ü
		"ab--ü.example":                "DNS name",
		"pbx.example:443":              "DNS name",
		"https://pbx.example":          "DNS name",
		"*.example":                    "DNS name",
		"xn--a.example":                "DNS name",
		"pbx.\xff":                     "UTF-8",
		"192.0.2.1":                    "IP address",
		"300.1.1.1":                    "number",
		"::1":                          "DNS name",
		"[::1]":                        "DNS name",
		strings.Repeat("a", 64) + ".b": "63",
		"b" + label63 + ".example":     "63",
		"c." + name253:                 "253",
		strings.Repeat("a.", 1<<19):    "253",
	} {
		if got, err := domain.NormaliseHostname(in); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("NormaliseHostname(%.40q) = %q, %v; want an error with %q", in, got, err, words)
		}
	}
}

func TestNormaliseDomain_oneLabelIsEnough(t *testing.T) {
	for in, want := range map[string]string{"Corp": "corp", "corp.": "corp", "acme.Example": "acme.example"} {
		if got, err := domain.NormaliseDomain(in); err != nil || got != want {
			t.Errorf("NormaliseDomain(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", ".", ".acme.example", "10", "10.0.0.1", "a b"} {
		if got, err := domain.NormaliseDomain(in); err == nil {
			t.Errorf("NormaliseDomain(%q) = %q, want an error", in, got)
		}
	}
}

func TestNormaliseHost_storedForm(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":        "192.0.2.1",
		"127.0.0.1":        "127.0.0.1",
		"::FFFF:192.0.2.1": "192.0.2.1",
		"::ffff:c000:201":  "192.0.2.1",
		"2001:DB8:0:0::1":  "2001:db8::1",
		"::1":              "::1",
		"fe80::1":          "fe80::1",
		"PBX.Example.":     "pbx.example",
	} {
		if got, err := domain.NormaliseHost(in); err != nil || got != want {
			t.Errorf("NormaliseHost(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestNormaliseHost_rules(t *testing.T) {
	for in, words := range map[string]string{
		"":                       "required",
		"pbx":                    "fully qualified",
		"fe80::1%eth0":           "zone",
		"0.0.0.0":                "unspecified",
		"::":                     "unspecified",
		"::ffff:0.0.0.0":         "unspecified",
		"224.0.0.1":              "multicast",
		"::ffff:224.0.0.1":       "multicast",
		"ff02::1":                "multicast",
		"255.255.255.255":        "broadcast",
		"192.0.2.1:443":          "IP address or a host name",
		"[2001:db8::1]":          "IP address or a host name",
		"192.0.2.0/24":           "IP address or a host name",
		"192.0.2":                "IP address",
		"192.000.002.001":        "IP address",
		"1.2.3.4.5":              "IP address",
		strings.Repeat("9", 2e3): "253",
	} {
		if got, err := domain.NormaliseHost(in); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("NormaliseHost(%.40q) = %q, %v; want an error with %q", in, got, err, words)
		}
	}
}

// FuzzNormalise: never a panic, and what is accepted is its own stored form.
func FuzzNormalise(f *testing.F) {
	for _, seed := range []string{
		"pbx.example", "PBX.Example.", "bücher.example", "xn--bcher-kva.example", "::ffff:192.0.2.1", "2001:DB8::1", "fe80::1%eth0",
		"a。b", "ß.example", "xn--zca.example", "\u200d.example", "..", "K.example", "１.２.３.４", "a\u00ad.b", "xn--.example", "a.xn--", "r3---sn.example", "-.a", "1.xn--4dbrk0ce",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for name, normalise := range map[string]func(string) (string, error){
			"NormaliseHostname": domain.NormaliseHostname,
			"NormaliseDomain":   domain.NormaliseDomain,
			"NormaliseHost":     domain.NormaliseHost,
		} {
			got, err := normalise(s)
			if err != nil {
				if !utf8.ValidString(err.Error()) || got != "" {
					t.Errorf("%s(%q): %q with error %q", name, s, got, err)
				}
				continue
			}
			if again, err := normalise(got); err != nil || again != got {
				t.Errorf("%s is not stable: %q becomes %q, and that becomes %q, %v", name, s, got, again, err)
			}
			if len(got) > domain.MaxHostname || got != strings.ToLower(got) || strings.HasSuffix(got, ".") {
				t.Errorf("%s(%q) = %q is no stored form", name, s, got)
			}
			if _, err := netip.ParseAddr(got); err == nil && name != "NormaliseHost" {
				t.Errorf("%s(%q) = %q is an address", name, s, got)
			}
		}
	})
}
