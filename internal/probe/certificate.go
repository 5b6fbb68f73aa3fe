package probe

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/peering/peering/internal/events"
)

// What is kept of a certificate's texts, which a stranger wrote.
const (
	mostNames   = 50
	longestName = 253
	longestDN   = 500
	longestWay  = 10 // certificates from the server's to the authority
)

// describe tells what a certificate says; names are all it is for.
func describe(cert *x509.Certificate, names []string) *events.PeerCertificateSeen {
	sum := sha256.Sum256(cert.Raw)
	return &events.PeerCertificateSeen{
		NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(),
		Issuer: plain(cert.Issuer.String(), longestDN), Subject: plain(cert.Subject.String(), longestDN),
		Names: slices.Clone(names[:min(len(names), mostNames)]), Fingerprint: hex.EncodeToString(sum[:]),
	}
}

func namesOf(cert *x509.Certificate) []string {
	var names []string
	for _, n := range cert.DNSNames {
		names = append(names, plain(n, longestName))
	}
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// fault is one thing that is wrong with how a server proves who it is; clause is
// a part of a sentence.
type fault struct{ code, clause string }

func sentence(faults []fault) string {
	clauses := make([]string, len(faults))
	for i, f := range faults {
		clauses[i] = f.clause
	}
	s := strings.Join(clauses, "; ")
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// verify judges what the server showed, the gravest fault first. Each is looked
// for by itself, so that all of them can be mended at once.
func (l *look) verify(shown []*x509.Certificate, now time.Time) []fault {
	leaf, shown := shown[0], shown[:min(len(shown), longestWay)]
	var faults []fault
	when := now
	switch {
	case now.After(leaf.NotAfter):
		when = leaf.NotAfter
	case now.Before(leaf.NotBefore):
		when = leaf.NotBefore
	}
	if !when.Equal(now) {
		faults = append(faults, outOfTime("the certificate", leaf, now))
	}
	if f, ok := l.chain(shown, when); !ok {
		faults = append(faults, f)
	}
	if leaf.VerifyHostname(l.host) != nil {
		faults = append(faults, fault{codeNameMismatch, misnamed(leaf, l.host)})
	}
	return faults
}

// chain looks for a way from the certificate to an authority that is trusted,
// at a time when the certificate itself is valid.
func (l *look) chain(shown []*x509.Certificate, when time.Time) (fault, bool) {
	between := x509.NewCertPool()
	for _, c := range shown[1:] {
		between.AddCert(c)
	}
	_, err := shown[0].Verify(x509.VerifyOptions{Roots: l.roots, Intermediates: between, CurrentTime: when})
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return fault{}, true
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return outOfTime("the certificate of its authority", invalid.Cert, when), false
	case !errors.As(err, &unknown):
		return fault{codeUntrusted, "the certificate, or one of its authorities, is not meant for such a server"}, false
	case bytes.Equal(shown[0].RawIssuer, shown[0].RawSubject):
		return fault{codeUntrusted, "the certificate is signed by itself, and is not trusted here"}, false
	default:
		issuer := plain(shown[0].Issuer.String(), longestDN)
		return fault{codeUntrusted, "the certificate's issuer (" + issuer + ") is not trusted here, and the server showed no chain to one that is"}, false
	}
}

// outOfTime tells on which side of its time a certificate is; what is how a
// sentence calls it.
func outOfTime(what string, cert *x509.Certificate, now time.Time) fault {
	if now.After(cert.NotAfter) {
		return fault{codeExpired, what + " expired at " + moment(cert.NotAfter)}
	}
	return fault{codeNotYetValid, what + " is not valid before " + moment(cert.NotBefore)}
}

func misnamed(leaf *x509.Certificate, host string) string {
	names := namesOf(leaf)
	if len(names) == 0 {
		return "the certificate names no host, so also not " + plain(host, longestName)
	}
	return "the certificate is for " + several(names, 3) + ", not for " + plain(host, longestName)
}

func moment(t time.Time) string { return t.UTC().Format(time.DateTime) + " UTC" }
