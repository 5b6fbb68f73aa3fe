package probe_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/probe"
)

const day = 24 * time.Hour

func TestLook_certificateFaultsAreToldApart(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	late := newAuthority(t, lasting(-40*day, -30*day))
	early := newAuthority(t, lasting(day, 300*day))
	selfSigned, selfKey := sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Alone"}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}, nil, nil)
	alone := a.leaf(t)
	alone.Certificate = alone.Certificate[:1]
	client := a.leaf(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })

	for name, c := range map[string]struct {
		roots *authority
		cert  tls.Certificate
		code  string
		tells []string
	}{
		"expired":               {a, a.leaf(t, lasting(-40*day, -day)), "expired", []string{"expired at"}},
		"not yet valid":         {a, a.leaf(t, lasting(day, 40*day)), "not_yet_valid", []string{"not valid before"}},
		"wrong name":            {a, a.leaf(t, named("uc.other.example")), "name_mismatch", []string{"uc.other.example", host}},
		"no name":               {a, a.leaf(t, named()), "name_mismatch", []string{"names no host"}},
		"unknown issuer":        {a, stranger.leaf(t), "untrusted", []string{"Intermediate of a test"}},
		"missing intermediate":  {a, alone, "untrusted", []string{"showed no chain"}},
		"self-signed":           {a, tls.Certificate{Certificate: [][]byte{selfSigned.Raw}, PrivateKey: selfKey}, "untrusted", []string{"by itself"}},
		"for clients only":      {a, client, "untrusted", []string{"not meant for"}},
		"intermediate expired":  {late, late.leaf(t, lasting(-time.Hour, day)), "expired", []string{"certificate of its authority", "expired at"}},
		"intermediate of later": {early, early.leaf(t), "not_yet_valid", []string{"certificate of its authority", "not valid before"}},
		"all at once": {
			a, stranger.leaf(t, lasting(-40*day, -day), named("uc.other.example")), "expired",
			[]string{"expired at", "not trusted", "uc.other.example"},
		},
		"two at once": {a, stranger.leaf(t, named("uc.other.example")), "untrusted", []string{"not trusted", "uc.other.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := listen(t, "127.0.0.1:0", secured(with(c.cert), answering(healthy)))
			r := look(t, c.roots, s.port)
			wantFailure(t, r, events.LayerTLS, c.code, c.tells...)
			if r.Certificate == nil || r.Version != "" || r.Latency != 0 {
				t.Errorf("got certificate %+v, version %q, latency %s; want the certificate alone", r.Certificate, r.Version, r.Latency)
			}
		})
	}
}

func TestLook_certificateIsDescribed(t *testing.T) {
	a := newAuthority(t)
	cert := a.leaf(t, lasting(-time.Hour, 10*day), named(host, "*.acme.example"), func(c *x509.Certificate) {
		c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1)}
		c.Subject = pkix.Name{CommonName: "PBX\x1b[31m", Country: []string{"X, Y"}}
	})
	s := listen(t, "127.0.0.1:0", secured(with(cert), answering(healthy)))
	r := look(t, a, s.port)
	wantHealthy(t, r) // ten days are the prober's concern
	got := r.Certificate
	sum := sha256.Sum256(cert.Leaf.Raw)
	if got.Fingerprint != hex.EncodeToString(sum[:]) || !got.NotAfter.Equal(cert.Leaf.NotAfter) || !got.NotBefore.Equal(cert.Leaf.NotBefore) {
		t.Errorf("got %+v, want the fingerprint and times of the certificate", got)
	}
	if want := []string{host, "*.acme.example", "192.0.2.1"}; !slices.Equal(got.Names, want) {
		t.Errorf("got names %q, want %q", got.Names, want)
	}
	if !slices.Equal(r.Names, got.Names) {
		t.Errorf("got names %q to judge by, want %q", r.Names, got.Names)
	}
	if got.Issuer != "CN=Intermediate of a test" || got.Subject != `CN=PBX?[31m,C=X\, Y` {
		t.Errorf("got issuer %q, subject %q", got.Issuer, got.Subject)
	}
	if got.Peer != "" || got.ConfigSeq != 0 {
		t.Errorf("peer and configuration are the caller's: %+v", got)
	}
}

func TestLook_certificateWithoutMeasureIsCut(t *testing.T) {
	a := newAuthority(t)
	names := []string{host}
	for i := range 500 {
		names = append(names, fmt.Sprintf("n%d.acme.example", i))
	}
	cert := a.leaf(t, named(names...), func(c *x509.Certificate) { c.Subject.CommonName = strings.Repeat("ü", 5000) })
	s := listen(t, "127.0.0.1:0", secured(with(cert), answering(healthy)))
	r := look(t, a, s.port)
	wantHealthy(t, r)
	if !slices.Equal(r.Names, names) {
		t.Errorf("got %d names to judge by, want all %d", len(r.Names), len(names))
	}
	if n, size := len(r.Certificate.Names), len(r.Certificate.Subject); n != 50 || size > 520 {
		t.Errorf("got %d names and a subject of %d bytes, want 50 and about 500", n, size)
	}
}

func TestLook_oldProtocolIsToldByItsVersion(t *testing.T) {
	a := newAuthority(t)
	for version, name := range map[uint16]string{tls.VersionTLS10: "TLS 1.0", tls.VersionTLS11: "TLS 1.1"} {
		cfg := with(a.leaf(t))
		cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, version
		s := listen(t, "127.0.0.1:0", secured(cfg, answering(healthy)))
		r := look(t, a, s.port)
		wantFailure(t, r, events.LayerTLS, "protocol_version", name)
		if r.Certificate == nil {
			t.Errorf("%s: the certificate was shown and is not told", name)
		}
	}
	cfg := with(a.leaf(t))
	cfg.MaxVersion = tls.VersionTLS12
	s := listen(t, "127.0.0.1:0", secured(cfg, answering(healthy)))
	wantHealthy(t, look(t, a, s.port))
}

func TestLook_handshakesThatFailAreToldApart(t *testing.T) {
	a := newAuthority(t)
	hello := func(conn net.Conn) { io.ReadAtLeast(conn, make([]byte, 1024), 64) }
	for name, c := range map[string]struct {
		talk func(net.Conn)
		code string
	}{
		"stalls":               {silent, "timeout"},
		"stalls after a byte":  {func(conn net.Conn) { conn.Write([]byte{22}); silent(conn) }, "timeout"},
		"closes early":         {hello, "closed"},
		"closes in a record":   {func(conn net.Conn) { hello(conn); conn.Write([]byte{22, 3, 3, 0, 80, 2}) }, "closed"},
		"resets":               {func(conn net.Conn) { hello(conn); conn.(*net.TCPConn).SetLinger(0) }, "closed"},
		"speaks plain HTTP":    {func(conn net.Conn) { hello(conn); io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n") }, "handshake"},
		"sends an alert":       {func(conn net.Conn) { hello(conn); conn.Write([]byte{21, 3, 3, 0, 2, 2, 40}) }, "handshake"},
		"greets as mail does":  {func(conn net.Conn) { io.WriteString(conn, "220 mail.acme.example ESMTP\r\n"); hello(conn) }, "handshake"},
		"refuses by old alert": {func(conn net.Conn) { hello(conn); conn.Write([]byte{21, 3, 0, 0, 2, 2, 70}) }, "handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := listen(t, "127.0.0.1:0", c.talk)
			r := look(t, a, s.port, hurried)
			wantFailure(t, r, events.LayerTLS, c.code)
			if r.Certificate != nil {
				t.Errorf("a certificate of which nobody proved to have the key: %+v", r.Certificate)
			}
		})
	}
}

func TestLook_everyLookSeesTheWholeCertificate(t *testing.T) {
	a := newAuthority(t)
	s := listen(t, "127.0.0.1:0", secured(with(a.leaf(t)), answering(healthy)))
	first, second := look(t, a, s.port), look(t, a, s.port, func(o *probe.Options) { o.Roots = newAuthority(t).pool() })
	wantHealthy(t, first)
	wantFailure(t, second, events.LayerTLS, "untrusted")
}
