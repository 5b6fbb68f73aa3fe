package app

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/config"
	"github.com/peering/peering/internal/testkit"
)

// shown is the serial number of the certificate that c shows a client.
func shown(t *testing.T, c *certificate, a *testkit.Authority) int64 {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	done := make(chan error, 1)
	go func() { done <- tls.Server(far, c.config()).HandshakeContext(context.Background()) }()
	client := tls.Client(near, &tls.Config{RootCAs: a.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS12})
	if err := client.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return client.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// TestCertificate_isReadAgainWhenItsFilesChange: also when what is moved here is
// older than what it replaces; and what cannot be used leaves the one before.
func TestCertificate_isReadAgainWhenItsFilesChange(t *testing.T) {
	a, dir := testkit.NewAuthority(t), t.TempDir()
	var log strings.Builder
	cert, key, first := a.Issue(t, dir)
	c, err := loadCertificate(cert, key, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c.clock = func() time.Time { return now }
	later := func(want int64, says string) {
		t.Helper()
		now = now.Add(lookAgain)
		log.Reset()
		if got := shown(t, c, a); got != want {
			t.Errorf("certificate %d is shown, want %d", got, want)
		}
		if !strings.Contains(log.String(), says) || says == "" && log.Len() > 0 {
			t.Errorf("the log says %q, want %q", log.String(), says)
		}
		if strings.Contains(log.String(), "PRIVATE") {
			t.Errorf("the log has a key: %s", log.String())
		}
	}
	later(first, "")
	_, _, second := a.Issue(t, dir)
	old := time.Now().Add(-24 * time.Hour)
	for _, file := range []string{cert, key} {
		if err := os.Chtimes(file, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if got := shown(t, c, a); got != first {
		t.Errorf("the files are looked at for every connection")
	}
	later(second, "read again")

	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(cert, "nonsense")
	later(second, "cannot be used")
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	later(second, "cannot be used")
	_, _, third := a.Issue(t, dir)
	later(third, "read again")
	_, foreign, _ := a.Issue(t, t.TempDir())
	text, err := os.ReadFile(foreign)
	if err != nil {
		t.Fatal(err)
	}
	write(key, string(text)) // of another certificate: half of a renewal
	later(third, "cannot be used")
}

// serveTLS runs serve with a certificate and returns where it listens.
func serveTLS(t *testing.T, a *testkit.Authority, environ ...string) (address string, c config.Config) {
	t.Helper()
	cert, key, _ := a.Issue(t, t.TempDir())
	c, _, err := config.Load(config.Serve, config.Sources{Environ: append([]string{
		"PEERING_LISTEN=127.0.0.1:0", "PEERING_DATA=" + t.TempDir(), "PEERING_LOG_MAX_BYTES=256MiB",
		"PEERING_TLS_CERT=" + cert, "PEERING_TLS_KEY=" + key,
	}, environ...)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- Run(ctx, c, in, slog.New(slog.NewTextHandler(t.Output(), nil))); _ = in.Close() }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(line, "http=")), c
}

func TestTLS_isHTTPSAndNothingElse(t *testing.T) {
	a := testkit.NewAuthority(t)
	address, c := serveTLS(t, a)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.Pool(), MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	client := &http.Client{Transport: transport}
	defer transport.CloseIdleConnections()
	get := func(url string) (int, string, string) {
		t.Helper()
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Proto, string(text)
	}
	testkit.Eventually(t, "readiness", func() bool { s, _, _ := get("https://" + address + "/readyz"); return s == http.StatusOK })
	if status, proto, text := get("https://" + address + "/api/v1/enterprises"); status != http.StatusOK || proto != "HTTP/2.0" {
		t.Errorf("%d by %s: %s", status, proto, text)
	}
	if status, _, text := get("http://" + address + "/api/v1/enterprises"); status != http.StatusBadRequest || !strings.Contains(text, "HTTPS") {
		t.Errorf("without TLS it is answered %d %s", status, text)
	}
	if _, err := http.Get("https://" + address + "/readyz"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("whoever does not trust the authority gets %v", err)
	}
	if _, err := tls.Dial("tcp", address, &tls.Config{RootCAs: a.Pool(), MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil { // #nosec G402 -- what must be refused
		t.Error("TLS 1.1 is taken")
	}
	c.Listen = address
	if err := healthcheck(t.Context(), c); err != nil {
		t.Error(err)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, every := range []string{"0.0.0.0", "", "::"} {
		c.Listen = net.JoinHostPort(every, port)
		if err := healthcheck(t.Context(), c); err != nil {
			t.Errorf("%s: %v", c.Listen, err)
		}
	}
	c.TLSCert = ""
	if err := healthcheck(t.Context(), c); err == nil {
		t.Error("without TLS the health check is content")
	}
}

func TestRun_aCertificateThatCannotBeUsedIsWrongUsage(t *testing.T) {
	a := testkit.NewAuthority(t)
	cert, _, _ := a.Issue(t, t.TempDir())
	_, key, _ := a.Issue(t, t.TempDir())
	c, _, err := config.Load(config.Serve, config.Sources{Environ: []string{
		"PEERING_LISTEN=127.0.0.1:0", "PEERING_DATA=" + t.TempDir(), "PEERING_TLS_CERT=" + cert, "PEERING_TLS_KEY=" + key,
	}})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err = Run(t.Context(), c, &out, slog.New(slog.DiscardHandler))
	if faults, ok := config.AsFaults(err); !ok || faults[0].Setting != "tls_cert" || out.Len() > 0 {
		t.Errorf("got %v, and %q on standard output", err, out.String())
	}
	for _, missing := range []string{"PEERING_TLS_CERT=" + cert, "PEERING_TLS_KEY=" + key} {
		_, _, err := config.Load(config.API, config.Sources{Environ: []string{"NATS_URL=nats://127.0.0.1:4222", "PEERING_DATABASE_URL=sqlite:x", missing}})
		if err == nil || !strings.Contains(fmt.Sprint(err), "come together") {
			t.Errorf("%s alone: %v", missing, err)
		}
	}
}
