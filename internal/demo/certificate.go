package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"time"
)

// pair is a certificate with its key.
type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func authority(now time.Time) (*pair, error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Peering demo authority"}, NotBefore: now.Add(-day), NotAfter: now.Add(3650 * day),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return (*pair)(nil).issue(template)
}

// sign makes a certificate for a name.
func (p *pair) sign(name string, now time.Time, lasts time.Duration) (*pair, error) {
	return p.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: now.Add(-day), NotAfter: now.Add(lasts),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// issue makes a certificate that p signs; nil: the certificate itself.
func (p *pair) issue(template *x509.Certificate) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, err
	}
	by := &pair{template, key}
	if p != nil {
		by = p
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &pair{cert, key}, err
}

func (p *pair) encode() (cert, key string, err error) {
	der, err := x509.MarshalECPrivateKey(p.key)
	block := func(typ string, bytes []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: bytes}))
	}
	return block("CERTIFICATE", p.cert.Raw), block("EC PRIVATE KEY", der), err
}

// parse reads what encode wrote.
func parse(cert, key string) (*pair, error) {
	c, _ := pem.Decode([]byte(cert))
	k, _ := pem.Decode([]byte(key))
	if c == nil || k == nil {
		return nil, errors.New("demo: no certificate, or no key")
	}
	p := &pair{}
	var err error
	if p.cert, err = x509.ParseCertificate(c.Bytes); err != nil {
		return nil, err
	}
	p.key, err = x509.ParseECPrivateKey(k.Bytes)
	return p, err
}
