package app

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookAgain is how often the files of a certificate are looked at while it is
// in use.
const lookAgain = 10 * time.Second

// certificate is that of the listener. It is read again when its files change,
// so that renewing it needs no restart.
type certificate struct {
	cert, key string // files
	log       *slog.Logger
	clock     func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	files   [2]version // when current was read
	looked  time.Time
}

// version tells a file from what it was before. The time alone does not: a file
// that is moved here keeps an earlier one.
type version struct {
	changed time.Time
	size    int64
}

// loadCertificate reads a certificate and its key.
func loadCertificate(cert, key string, log *slog.Logger) (*certificate, error) {
	c := &certificate{cert: cert, key: key, log: log, clock: time.Now, looked: time.Now()}
	if err := c.read(); err != nil {
		return nil, err
	}
	return c, nil
}

// config is that of a server with the certificate.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.now(), nil
		},
	}
}

// now is the certificate to show. One that cannot be read is logged, and the one
// before shown: it may still be good.
func (c *certificate) now() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock()
	if now.Sub(c.looked) < lookAgain {
		return c.current
	}
	c.looked = now
	if c.versions() == c.files {
		return c.current
	}
	if err := c.read(); err != nil {
		c.log.Error("the new certificate cannot be used; the one before is", "err", err)
	} else {
		c.log.Info("the certificate was read again")
	}
	return c.current
}

func (c *certificate) read() error {
	files := c.versions()
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("with tls_key: %w", err)
	}
	c.current, c.files = &pair, files
	return nil
}

// versions are those of the two files; zero: it cannot be looked at.
func (c *certificate) versions() (out [2]version) {
	for i, file := range []string{c.cert, c.key} {
		if info, err := os.Stat(file); err == nil {
			out[i] = version{info.ModTime().UTC(), info.Size()}
		}
	}
	return out
}
