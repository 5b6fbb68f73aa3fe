package httpapi

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/peering/peering/internal/readmodel"
)

// DefaultAdminURL is where a peer's own administrator interface is looked for.
const DefaultAdminURL = "https://{hostname}/"

// adminURL is a template with {hostname}, {port} and {address}.
type adminURL string

// parseAdminURL checks a template, so that every address made from it is an
// http or https one; a link of another scheme would run in the reader's browser.
func parseAdminURL(s string) (adminURL, error) {
	if s == "" {
		s = DefaultAdminURL
	}
	filled := adminURL(s).fill("h.example", "443", "h.example")
	u, err := url.Parse(filled)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || strings.ContainsAny(filled, "{}") {
		return "", fmt.Errorf("admin URL %q: must be an http or https URL with no other placeholders than {hostname}, {port} and {address}", s)
	}
	return adminURL(s), nil
}

func (t adminURL) of(p readmodel.Peer) string {
	address := p.Host
	if ip, err := netip.ParseAddr(address); err == nil && ip.Is6() {
		address = "[" + address + "]"
	}
	return t.fill(p.Hostname, strconv.Itoa(p.Port), address)
}

func (t adminURL) fill(hostname, port, address string) string {
	return strings.NewReplacer("{hostname}", hostname, "{port}", port, "{address}", address).Replace(string(t))
}
