package probe

import (
	"regexp"
	"strings"
)

var (
	wordLike    = regexp.MustCompile(`[0-9A-Za-z._:%-]+`)
	addressLike = regexp.MustCompile(`[0-9A-Fa-f:]*::[0-9A-Fa-f:.]*` + // shortened IPv6
		`|(?:[0-9A-Fa-f]{1,4}:){6,7}[0-9A-Fa-f.]+` + // IPv6 in full
		`|[0-9]{1,3}(?:\.[0-9]{1,3}){3}`)
)

// withoutAddresses is message with everything replaced that reads as an address,
// but for the host when it is one. What a stranger wrote, in a certificate say,
// can hold some.
func withoutAddresses(message, host string) string {
	return wordLike.ReplaceAllStringFunc(message, func(word string) string {
		if strings.TrimRight(word, ".:") == strings.TrimRight(host, ".:") {
			return word
		}
		return addressLike.ReplaceAllStringFunc(word, func(s string) string {
			bare := strings.TrimRight(s, ".")
			if strings.Trim(bare, ":") == "" {
				return s
			}
			return "an address" + s[len(bare):]
		})
	})
}
