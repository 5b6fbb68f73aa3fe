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

	mu      sync.Mutex
	current *tls.Certificate
	changed time.Time // of the files, when current was read
	looked  time.Time
}

// loadCertificate reads a certificate and its key.
func loadCertificate(cert, key string, log *slog.Logger) (*certificate, error) {
	c := &certificate{cert: cert, key: key, log: log, looked: time.Now()}
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
	if time.Since(c.looked) < lookAgain {
		return c.current
	}
	c.looked = time.Now()
	if c.lastChange().Equal(c.changed) {
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
	changed := c.lastChange()
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("tls_cert and tls_key: %w", err)
	}
	c.current, c.changed = &pair, changed
	return nil
}

// lastChange is when one of the files changed last.
func (c *certificate) lastChange() (latest time.Time) {
	for _, file := range []string{c.cert, c.key} {
		if info, err := os.Stat(file); err == nil && info.ModTime().After(latest) {
			latest = info.ModTime()
		}
	}
	return latest
}
