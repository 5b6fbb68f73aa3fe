package domain

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/peering/peering/internal/events"
)

// fixFor tells what to do about a step of a probe that failed.
func fixFor(s events.Step) string {
	switch s.Layer + "/" + s.Code {
	case "dns/not_found":
		return "Correct the hostname of the peer, or add it to DNS."
	case "connect/refused":
		return "Start the web server of the peer, or correct the port."
	case "tls/expired":
		return "Renew the certificate of the peer."
	case "tls/not_yet_valid":
		return "Correct the clock of the peer, or install a certificate that is valid already."
	case "tls/name_mismatch":
		return "Set the hostname of the peer to a name in its certificate, or install a certificate for it."
	case "tls/untrusted":
		return "Install a certificate of a known authority with its chain, or make the authority known to the prober (PEERING_PROBE_CA_FILE)."
	case "tls/protocol_version":
		return "Let the web server of the peer speak TLS 1.2 or later."
	case "policy/address_refused", "policy/port_refused":
		return "Correct the hostname or port of the peer, or allow them to the prober (PEERING_PROBE_ALLOW)."
	}
	switch s.Layer {
	case events.LayerDNS:
		return "Look at the name servers that the prober uses."
	case events.LayerConnect:
		return "Look at the network and the firewalls between the prober and the peer."
	case events.LayerTLS, events.LayerHTTP:
		return "Look at the web server of the peer and at what stands before it, such as a proxy."
	}
	return "Look at the log of the prober."
}

// spell writes how long something took, in whole units for a person.
func spell(d time.Duration) string {
	d = max(0, d)
	for _, unit := range [...]struct {
		name  string
		long  time.Duration
		below time.Duration
	}{{"second", time.Second, 2 * time.Minute}, {"minute", time.Minute, 2 * time.Hour}, {"hour", time.Hour, 48 * time.Hour}} {
		if d < unit.below {
			return count(int(d/unit.long), unit.name)
		}
	}
	return count(int(d/(24*time.Hour)), "day")
}

func count(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// clause makes of a sentence what may stand behind a colon. A name or an address
// at the beginning stays as it is.
func clause(s string) string {
	s = strings.TrimSuffix(s, ".")
	first, size := utf8.DecodeRuneInString(s)
	second, _ := utf8.DecodeRuneInString(s[size:])
	if word, _, _ := strings.Cut(s, " "); size == 0 || strings.ContainsAny(word, ".:/") || unicode.IsUpper(second) {
		return s
	}
	return string(unicode.ToLower(first)) + s[size:]
}

// sentence begins s with a capital and ends it with a full stop. A name or an
// address at the beginning stays as it is.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	if word, _, _ := strings.Cut(s, " "); !strings.ContainsAny(word, ".:/") {
		first, size := utf8.DecodeRuneInString(s)
		s = string(unicode.ToUpper(first)) + s[size:]
	}
	return strings.TrimSuffix(s, ".") + "."
}
