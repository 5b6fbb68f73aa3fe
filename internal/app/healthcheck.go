package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/peering/peering/internal/config"
)

// healthcheckTimeout is less than what container engines give a health check.
const healthcheckTimeout = 2 * time.Second

// healthcheck asks a program that runs beside this one, at the address where it
// listens, whether it is ready. The error says why it is not, in its own words.
// It is for images that have nothing else to ask with.
func healthcheck(ctx context.Context, c config.Config) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	scheme, client := "http", http.DefaultClient
	if c.TLSCert != "" {
		// The certificate is for the name that others use; here nothing is sent that
		// another could want, and nothing is read but whether it is ready.
		scheme, client = "https", &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // #nosec G402 -- see above
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+reachable(c.Listen)+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	defer resp.Body.Close()
	const most = 4 << 10
	text, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("health check: not ready: %s", strings.TrimSpace(string(text)))
	}
	return nil
}

// reachable is where a listener on address is reached from this machine: one on
// every address is on loopback too.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		return net.JoinHostPort("localhost", port)
	}
	return address
}
