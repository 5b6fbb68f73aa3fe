package probe

import "testing"

func TestWithoutAddresses_onlyTheHostIsLeft(t *testing.T) {
	for in, want := range map[string]string{
		"The server refused the connection.":          "The server refused the connection.",
		"10.0.0.1 refused it; fd00::1 did not.":       "an address refused it; an address did not.",
		"From 10.0.0.1, to 10.0.0.2:443.":             "From an address, to an address:443.",
		"It is https://[fd00::1]:443/ or 10.0.0.1:":   "It is https://[an address]:443/ or an address:",
		"DNS:10.0.0.1 and ace:10.0.0.1":               "DNS:an address and ace:an address",
		"::ffff:10.0.0.1 or fe80::1%eth0.":            "an address or an address%eth0.",
		"0:0:0:0:0:ffff:10.0.0.1, 1:2:3:4:5:6:7:8.":   "an address, an address.",
		"FD00:: is a network.":                        "an address is a network.",
		"It expired at 2026-01-02 10:11:12 UTC.":      "It expired at 2026-01-02 10:11:12 UTC.",
		"The certificate is for 10.0.0.1, not pbx-a.": "The certificate is for an address, not pbx-a.",
		"It is not for 192.0.2.7, nor for 192.0.2.8.": "It is not for 192.0.2.7, nor for an address.",
		"CN=Box::Maker, OU=10.9.8.7, O=TLS 1.2":       "CN=Box::Maker, OU=an address, O=TLS 1.2",
	} {
		if got := withoutAddresses(in, "192.0.2.7"); got != want {
			t.Errorf("%q:\n got %q\nwant %q", in, got, want)
		}
	}
}

func TestWithoutAddresses_hostThatBeginsLikeOneIsLeft(t *testing.T) {
	for _, host := range []string{"10.0.0.1.acme.example", "fd00::1"} {
		if got := withoutAddresses("The name "+host+" does not exist.", host); got != "The name "+host+" does not exist." {
			t.Errorf("got %q", got)
		}
	}
}
