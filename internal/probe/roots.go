package probe

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

// Roots are the authorities of the system and those in caFile, PEM. The error
// names the file and what is wrong with it.
func Roots(caFile string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("the system's certificate authorities: %w", err)
	}
	if caFile == "" {
		return pool, nil
	}
	rest, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err // names the file
	}
	for n := 0; ; n++ {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		switch {
		case block == nil && n == 0:
			return nil, fmt.Errorf("%s holds no certificate in PEM form", caFile)
		case block == nil:
			return pool, nil
		case block.Type != "CERTIFICATE":
			return nil, fmt.Errorf("%s holds a block %q; only certificates belong there", caFile, block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d cannot be read: %w", caFile, n+1, err)
		}
		pool.AddCert(cert)
	}
}
