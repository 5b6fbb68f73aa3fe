package bench_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/peering/peering/internal/embednats"
)

// neighboursArg makes this program the other process of BenchmarkProber.
const neighboursArg = "bench-neighbours"

// neighbours are servers in a process of their own, so that what they need does
// not count: HTTPS on many ports, and the NATS server of the probers.
type neighbours struct {
	Ports []int
	NATS  string
	CA    []byte // PEM
}

const (
	neighbourPorts = 50
	neighbourZone  = ".neighbour.example" // one certificate is for all names in it
)

func startNeighbours(b *testing.B) *neighbours {
	b.Helper()
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), program, neighboursArg, b.TempDir())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close() // it ends with its input
		_ = cmd.Wait() // how is of no interest
	})
	n := &neighbours{}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, n)
	}
	if err != nil {
		b.Fatal("the other process: ", err)
	}
	return n
}

// roots trusts the neighbours' authority.
func (n *neighbours) roots(b *testing.B) *x509.CertPool {
	b.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(n.CA) {
		b.Fatal("no certificate of the authority")
	}
	return pool
}

// serveNeighbours is the other process: it says on out what there is, and ends
// with in.
func serveNeighbours(dir string, in io.Reader, out io.Writer) error {
	cert, ca, err := authority()
	if err != nil {
		return err
	}
	s, err := embednats.Start(embednats.Options{Dir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	defer s.Shutdown()
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"version":"9.8","enterprises":[]}`) // who asked may be gone
		}),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, ErrorLog: log.New(io.Discard, "", 0),
		ReadHeaderTimeout: time.Minute,
	}
	defer server.Close()
	n := neighbours{NATS: "nats://" + s.Addr(), CA: ca}
	for range neighbourPorts {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		n.Ports = append(n.Ports, l.Addr().(*net.TCPAddr).Port)
		go func() { _ = server.ServeTLS(l, "", "") }() // until the end
	}
	if err := json.NewEncoder(out).Encode(n); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

// authority makes a certificate for the zone, and the authority that signed it.
func authority() (cert tls.Certificate, ca []byte, err error) {
	caKey, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	key, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := errors.Join(err1, err2); err != nil {
		return cert, nil, err
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Authority of a benchmark"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "neighbours"}, DNSNames: []string{"*" + neighbourZone},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, &caKey.PublicKey, caKey)
	if err != nil {
		return cert, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, root, &key.PublicKey, caKey)
	var text bytes.Buffer
	err = errors.Join(err, pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: rootDER}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, text.Bytes(), err
}
