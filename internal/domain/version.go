package domain

import (
	"errors"
	"fmt"
	"strings"
)

// UPN says whether the presence of peered users whose login id is a UPN is
// visible.
type UPN struct {
	Value  string // UPNYes, UPNNo or UPNUnknown
	Reason string // a sentence that names the side it depends on
}

// The values of the column "UPN presence".
const (
	UPNYes     = "yes"
	UPNNo      = "no"
	UPNUnknown = "unknown"
)

// upnVersion is the first version at which a server shows the presence of UPNs.
const upnVersion = "9.4"

// UPNPresence computes the column from the versions of the local server and the
// peer, empty where not known: both have to be at 9.4 or later, so one side
// that is too old is enough for a no.
func UPNPresence(local, peer string) UPN {
	sides := [...]struct{ name, version string }{{"the local server", local}, {"the peer", peer}}
	var old, unknown []string
	for _, side := range sides {
		switch older, known := olderThan(side.version, upnVersion); {
		case !known:
			unknown = append(unknown, side.name)
		case older:
			old = append(old, fmt.Sprintf("%s is at %s", side.name, side.version))
		}
	}
	switch {
	case len(old) > 0:
		return UPN{UPNNo, strings.Join(old, " and ") + ", older than " + upnVersion}
	case len(unknown) > 0:
		return UPN{UPNUnknown, "the version of " + strings.Join(unknown, " and of ") + " is not known"}
	}
	return UPN{UPNYes, "the local server and the peer are at " + upnVersion + " or later"}
}

// CheckVersion returns the rule that the version of a server breaks, or nil:
// two to six numbers with dots between them, as in 9.4 or 9.7.1.105.
func CheckVersion(s string) error {
	if err := checkText(s, MaxVersion); err != nil {
		return err
	}
	numbers := 0
	for part := range strings.SplitSeq(s, ".") {
		if numbers++; part == "" || len(part) > 9 || strings.ContainsFunc(part, func(r rune) bool { return !isDigit(r) }) {
			return errVersion
		}
	}
	if numbers < 2 || numbers > 6 {
		return errVersion
	}
	return nil
}

var errVersion = errors.New("must look like 9.4 or 9.7.1.105")

func normaliseVersion(s string) (string, error) { return s, CheckVersion(s) }

// olderThan compares two versions number by number, missing numbers being 0:
// 9.10 is later than 9.4. known is false when s is not a version.
func olderThan(s, than string) (older, known bool) {
	if CheckVersion(s) != nil {
		return false, false
	}
	for s != "" || than != "" {
		var a, b int
		a, s = leadingNumber(s)
		b, than = leadingNumber(than)
		if a != b {
			return a < b, true
		}
	}
	return false, true
}

// leadingNumber takes the first number off a version that was checked.
func leadingNumber(s string) (n int, rest string) {
	first, rest, _ := strings.Cut(s, ".")
	for _, digit := range []byte(first) {
		n = 10*n + int(digit-'0')
	}
	return n, rest
}
