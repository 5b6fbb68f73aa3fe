package domain

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// NormaliseHostname returns the form in which a fully qualified domain name is
// stored and compared: ASCII (IDNA, lookup profile), lower case, no trailing
// dot. The error is the rule that s breaks, safe to show.
func NormaliseHostname(s string) (string, error) {
	name, err := normaliseName(s)
	if err != nil {
		return "", err
	}
	if !strings.Contains(name, ".") {
		return "", errors.New("must be fully qualified, as in pbx.example.com")
	}
	return name, nil
}

// NormaliseDomain returns the form in which the domain of an enterprise is
// stored and compared: that of a hostname, but one label is enough.
func NormaliseDomain(s string) (string, error) { return normaliseName(s) }

// NormaliseHost returns the form in which a host that may be an IP address or a
// fully qualified domain name is stored and compared. Addresses take their
// canonical form, IPv4 mapped into IPv6 becomes IPv4. The error is the rule
// that s breaks, safe to show.
func NormaliseHost(s string) (string, error) {
	switch {
	case s == "":
		return "", errRequired
	case len(s) > 4*MaxHostname: // no allocation in proportion to nonsense
		return "", errTooLong
	}
	ip, err := netip.ParseAddr(s)
	if err != nil {
		name, err := NormaliseHostname(s)
		if err != nil {
			return "", fmt.Errorf("must be an IP address or a host name: %w", err)
		}
		return name, nil
	}
	if ip.Zone() != "" {
		return "", errors.New("must not have a zone")
	}
	ip = ip.Unmap()
	switch {
	case ip.IsUnspecified():
		return "", errors.New("must not be the unspecified address")
	case ip.IsMulticast(), ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "", errors.New("must not be a multicast or broadcast address")
	}
	return ip.String(), nil
}

var (
	errRequired = errors.New("is required")
	errTooLong  = fmt.Errorf("must have at most %d characters", MaxHostname)
	errNotDNS   = errors.New("is not a valid DNS name: letters, digits, dashes inside labels, dots between them")
)

// anyHyphens is idna.Lookup but for the rules about dashes in labels.
var anyHyphens = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.CheckHyphens(false))

// toASCII turns a name into its ASCII form. The lookup profile of IDNA refuses
// dashes in the third and fourth place of any label, but there are hosts with
// such names, as r3---sn.example: in a name that is ASCII already, they stand
// for something only behind "xn".
func toASCII(s string) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return idna.Lookup.ToASCII(s)
	}
	for label := range strings.SplitSeq(strings.ToLower(s), ".") {
		switch {
		case strings.HasPrefix(label, "xn--"):
			if _, err := idna.Lookup.ToASCII(label); err != nil {
				return "", err
			}
		case strings.HasPrefix(label, "-"), strings.HasSuffix(label, "-"):
			return "", errNotDNS
		}
	}
	return anyHyphens.ToASCII(s)
}

func normaliseName(s string) (string, error) {
	switch {
	case s == "":
		return "", errRequired
	case len(s) > 4*MaxHostname:
		return "", errTooLong
	case !utf8.ValidString(s):
		return "", errors.New("must be valid UTF-8")
	}
	name, err := toASCII(s)
	if err != nil {
		return "", errNotDNS
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if len(name) > MaxHostname {
		return "", errTooLong
	}
	last := ""
	for last = range strings.SplitSeq(name, ".") {
		switch {
		case last == "":
			return "", errors.New("must not have an empty label")
		case len(last) > MaxLabel:
			return "", fmt.Errorf("must not have a label of more than %d characters", MaxLabel)
		}
	}
	if !strings.ContainsFunc(last, func(r rune) bool { return !isDigit(r) }) {
		return "", errors.New("must not end in a number: that looks like an IP address")
	}
	return name, nil
}
