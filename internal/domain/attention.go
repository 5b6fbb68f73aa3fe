package domain

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/peering/peering/internal/events"
)

// The codes of what needs attention on a peer that answers.
const (
	CauseNameDrift           = "name_drift"           // layer tls
	CauseAddressDrift        = "address_drift"        // layer dns
	CauseCertificateExpiring = "certificate_expiring" // layer tls
	CauseVersionUnreadable   = "version_unreadable"   // layer http
)

// urgentDays is with how many days left a certificate comes before all else.
const urgentDays = 3

// Seen is what one probe saw of a peer that answered.
type Seen struct {
	Started   time.Time
	NotAfter  time.Time    // of the certificate; zero: none was seen
	Names     []string     // that the certificate is for, addresses among them
	Addresses []netip.Addr // that the hostname resolved to
	Trusted   []netip.Addr // that the trusted name resolved to; none: not known, or it is an address
	Version   string       // "" when it could not be read
}

// Before is what was known of the peer before, under its present configuration.
// What was never so is no drift: only a change for the worse needs attention.
type Before struct {
	Version     string // last detected; "" when never: absence does not degrade
	TrustedHost string // as configured when it does not follow the hostname: an address or a name; "" otherwise
	AddressSeen bool   // the hostname resolved to it once, or to one of its addresses
	NameCovered bool   // a certificate covered it once
}

// Attention says what needs attention on a peer that answers, worst first: a
// certificate that ends within three days, then what breaks presence because
// the trusted entry names a server that is not there (any more), then the
// certificate that ends soon, then the version.
func (r JudgeRules) Attention(b Before, s Seen) []events.Cause {
	var list []events.Cause
	expiring, urgent := r.expiring(s)
	if urgent {
		list = append(list, expiring)
	}
	list = append(list, drift(b, s)...)
	if expiring.Code != "" && !urgent {
		list = append(list, expiring)
	}
	if b.Version != "" && s.Version == "" {
		list = append(list, events.Cause{
			Layer: events.LayerHTTP, Code: CauseVersionUnreadable,
			Message: fmt.Sprintf("The version, last %s, could not be read any more.", printable(b.Version)),
		})
	}
	return list
}

// expiring is the cause of a certificate with few days left, zero when there
// are enough. The message stays true as days go by: a status keeps it.
func (r JudgeRules) expiring(s Seen) (c events.Cause, urgent bool) {
	if s.NotAfter.IsZero() {
		return events.Cause{}, false
	}
	days := int(max(0, s.NotAfter.Sub(s.Started)) / (24 * time.Hour))
	if days > r.CertificateDays {
		return events.Cause{}, false
	}
	return events.Cause{
		Layer: events.LayerTLS, Code: CauseCertificateExpiring,
		Message: fmt.Sprintf("The certificate ends on %s (%s left on %s).",
			s.NotAfter.UTC().Format(time.DateOnly), count(days, "day"), s.Started.UTC().Format(time.DateOnly)),
	}, days <= urgentDays
}

// drift tells how the peer has moved away from what its trusted entry names.
func drift(b Before, s Seen) []events.Cause {
	if b.TrustedHost == "" {
		return nil
	}
	if _, err := netip.ParseAddr(b.TrustedHost); err == nil {
		if !b.AddressSeen || len(s.Addresses) == 0 || AddressMatches(b.TrustedHost, s.Addresses) {
			return nil
		}
		addresses := make([]string, len(s.Addresses))
		for i, a := range s.Addresses {
			addresses[i] = a.Unmap().String()
		}
		return []events.Cause{{
			Layer: events.LayerDNS, Code: CauseAddressDrift,
			Message: fmt.Sprintf("The trusted entry names %s, but the hostname resolves to %s.", b.TrustedHost, few(addresses)),
		}}
	}
	return slices.Concat(moved(b, s), uncovered(b, s))
}

// moved tells that the hostname and the trusted name are not one server any more.
func moved(b Before, s Seen) []events.Cause {
	if !b.AddressSeen || len(s.Addresses) == 0 || len(s.Trusted) == 0 || AddressesMeet(s.Addresses, s.Trusted) {
		return nil
	}
	return []events.Cause{{
		Layer: events.LayerDNS, Code: CauseAddressDrift,
		Message: fmt.Sprintf("The trusted entry names %s, which resolves to no address of the hostname any more.", b.TrustedHost),
	}}
}

// uncovered tells that the certificate is not for the trusted name any more.
func uncovered(b Before, s Seen) []events.Cause {
	if !b.NameCovered || s.NotAfter.IsZero() && len(s.Names) == 0 || NameCovers(s.Names, b.TrustedHost) {
		return nil
	}
	return []events.Cause{{
		Layer: events.LayerTLS, Code: CauseNameDrift,
		Message: fmt.Sprintf("The trusted entry names %s, but the certificate is for %s.", b.TrustedHost, few(s.Names)),
	}}
}

// AddressMatches reports whether trustedHost is an IP address among those that
// a name resolved to. IPv4 mapped into IPv6 is IPv4.
func AddressMatches(trustedHost string, resolved []netip.Addr) bool {
	want, err := netip.ParseAddr(trustedHost)
	return err == nil && slices.ContainsFunc(resolved, func(a netip.Addr) bool { return a.Unmap() == want.Unmap() })
}

// AddressesMeet reports whether two names that resolved to a and b have an address
// in common.
func AddressesMeet(a, b []netip.Addr) bool {
	return slices.ContainsFunc(a, func(x netip.Addr) bool {
		return slices.ContainsFunc(b, func(y netip.Addr) bool { return x.Unmap() == y.Unmap() })
	})
}

// NameCovers reports whether a certificate for names is good for host. An
// address is compared by value and a name without regard to case; "*" stands
// for exactly one label, the first, of a name that has more (RFC 9525).
func NameCovers(names []string, host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return slices.ContainsFunc(names, func(name string) bool {
			named, err := netip.ParseAddr(name)
			return err == nil && named.Unmap() == ip.Unmap()
		})
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	first, rest, _ := strings.Cut(host, ".")
	if first == "" || strings.Contains(host, "*") {
		return false
	}
	return slices.ContainsFunc(names, func(name string) bool {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if behind, wild := strings.CutPrefix(name, "*."); wild {
			return rest != "" && behind == rest
		}
		return name == host
	})
}

// few names the first of many values, fit to be shown.
func few(values []string) string {
	const most = 4
	shown := make([]string, 0, most)
	for _, v := range values[:min(most, len(values))] {
		shown = append(shown, printable(v))
	}
	text := cmp.Or(strings.Join(shown, ", "), "none")
	if n := len(values) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// printable makes what another server said fit to be shown.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, s[:min(len(s), MaxHostname)])
}
