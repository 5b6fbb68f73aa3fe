package probe_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"testing"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/probe"
)

func TestLook_serverThatDemandsAClientCertificateIsToldSo(t *testing.T) {
	a := newAuthority(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			cfg := with(a.leaf(t))
			cfg.ClientAuth, cfg.MaxVersion = tls.RequireAnyClientCert, version
			s := listen(t, "127.0.0.1:0", secured(cfg, answering(healthy)))
			r := look(t, a, s.port)
			wantFailure(t, r, events.LayerTLS, "handshake", "asks for a client certificate")
			if len(r.Steps) != 3 {
				t.Errorf("got steps %+v, want one for each of name, connection and TLS", r.Steps)
			}
			// Before TLS 1.3 the handshake is not over when the server refuses.
			if shown := r.Certificate != nil; shown != (version == tls.VersionTLS13) {
				t.Errorf("got a certificate: %t", shown)
			}
		})
	}
}

func TestLook_alertOfARefusedClientMayBeLost(t *testing.T) {
	a := newAuthority(t)
	cfg := with(a.leaf(t))
	cfg.ClientAuth = tls.RequestClientCert
	s := listen(t, "127.0.0.1:0", func(raw net.Conn) {
		if err := tls.Server(raw, cfg).Handshake(); err != nil {
			t.Error(err)
		}
		raw.(*net.TCPConn).SetLinger(0) // a reset
	})
	r := look(t, a, s.port)
	wantFailure(t, r, events.LayerTLS, "handshake", "asks for a client certificate")
}

func TestLook_clientCertificateThatIsOptionalIsNoMatter(t *testing.T) {
	a := newAuthority(t)
	cfg := with(a.leaf(t))
	cfg.ClientAuth = tls.RequestClientCert
	s := listen(t, "127.0.0.1:0", secured(cfg, answering(healthy)))
	wantHealthy(t, look(t, a, s.port))

	cut := listen(t, "127.0.0.1:0", secured(cfg, answering("HTTP/1.1 200 OK\r\nX: y")))
	wantFailure(t, look(t, a, cut.port), events.LayerHTTP, "closed")

	stalled := listen(t, "127.0.0.1:0", func(raw net.Conn) {
		conn := tls.Server(raw, cfg)
		io.Copy(io.Discard, conn)
	})
	wantFailure(t, look(t, a, stalled.port, hurried), events.LayerHTTP, "timeout")
}

func TestLook_certificatesOwnFaultComesBeforeTheClients(t *testing.T) {
	a := newAuthority(t)
	cfg := with(a.leaf(t, lasting(-40*day, -day)))
	cfg.ClientAuth = tls.RequireAnyClientCert
	s := listen(t, "127.0.0.1:0", secured(cfg, answering(healthy)))
	wantFailure(t, look(t, a, s.port), events.LayerTLS, "expired")
}

func TestLook_addressesInACertificateAreForTheStepOnly(t *testing.T) {
	a := newAuthority(t, func(c *x509.Certificate) { c.Subject.CommonName = "Authority at 10.9.8.7" })
	cert := a.leaf(t, named(), func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(10, 1, 2, 3)} })
	s := listen(t, "127.0.0.1:0", secured(with(cert), answering(healthy)))
	r := look(t, a, s.port, func(o *probe.Options) { o.Roots = newAuthority(t).pool() })
	wantFailure(t, r, events.LayerTLS, "untrusted", "Authority at an address", "is for an address", host)
	wantStep(t, r, "10.9.8.7", "10.1.2.3")
}
