// Package demo owns the servers behind the demo's peers: an authority of its own,
// a certificate and a port for each server, kept in a file so that a second start
// finds the same, and the processes that serve them.
//
// It imports nothing of the project. The app package adds peers that fit.
package demo

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Server is one server of the demo.
type Server struct {
	Name     string `json:"name"`
	Hostname string `json:"hostname"` // of the peer
	Port     int    `json:"port"`     // on loopback
	Version  string `json:"version"`  // that it tells
	Cert     string `json:"cert"`     // PEM; empty: nobody serves the port
	Key      string `json:"key"`
}

// Kit is everything that the demo's servers need.
type Kit struct {
	CA      string   `json:"ca"` // PEM
	CAKey   string   `json:"ca_key"`
	Servers []Server `json:"servers"`
}

// plan is a server before it has a port and a certificate.
type plan struct {
	name, hostname, version string
	certified               string        // name in its certificate; empty: nobody serves the port
	lasts                   time.Duration // its certificate, when it is new
	renew                   time.Duration // left of it, when there is to be a new one
}

const day = 24 * time.Hour

// plans are the servers: one in order, one whose certificate ends soon, one that
// shows a certificate for another name, and one that does not listen.
func plans() []plan {
	return []plan{
		{"berlin", "uc.berlin.example", "9.8", "uc.berlin.example", 365 * day, 60 * day},
		{"lyon", "uc.lyon.example", "9.7.1.105", "uc.lyon.example", 14 * day, 4 * day},
		{"madrid", "uc.madrid.example", "9.3", "mas.madrid.example", 365 * day, 60 * day},
		{"oslo", "uc.oslo.example", "", "", 0, 0},
	}
}

// Open reads the kit from a file, or makes it. Certificates that have come too
// near their end are made anew. The error names the file.
func Open(ctx context.Context, path string, now time.Time) (*Kit, error) {
	k, err := read(path)
	if err != nil {
		return nil, err
	}
	changed, err := k.complete(ctx, now)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if changed {
		err = k.write(path)
	}
	return k, err
}

func read(path string) (*Kit, error) {
	k := &Kit{}
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return k, nil
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(data, k); err != nil {
		return nil, fmt.Errorf("%s: %w; delete it to get another one", path, err)
	}
	return k, nil
}

// write replaces the file in one step, readable by its owner alone.
func (k *Kit) write(path string) error {
	data, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// Roots are the demo's authority besides those of pool.
func (k *Kit) Roots(pool *x509.CertPool) error {
	if !pool.AppendCertsFromPEM([]byte(k.CA)) {
		return errors.New("the demo's authority cannot be read")
	}
	return nil
}

// Hosts says which address the servers' names stand for.
func (k *Kit) Hosts() map[string]netip.Addr {
	out := map[string]netip.Addr{}
	for _, s := range k.Servers {
		out[s.Hostname] = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return out
}

// Allow lists the address and the ports of the servers, and no others: whoever
// may have a look taken at a server is not to look round this machine.
func (k *Kit) Allow() []string {
	out := []string{"127.0.0.1"}
	for _, s := range k.Servers {
		out = append(out, strconv.Itoa(s.Port))
	}
	return out
}

// Server returns the server of a name.
func (k *Kit) Server(name string) Server {
	for _, s := range k.Servers {
		if s.Name == name {
			return s
		}
	}
	return Server{}
}

// complete adds what is missing or too old.
func (k *Kit) complete(ctx context.Context, now time.Time) (changed bool, err error) {
	ca, err := parse(k.CA, k.CAKey)
	if err != nil || now.Add(60*day).After(ca.cert.NotAfter) {
		if ca, err = authority(now); err != nil {
			return false, err
		}
		k.CA, k.CAKey, err = ca.encode()
		for i := range k.Servers {
			k.Servers[i].Cert = ""
		}
		changed = true
	}
	for _, p := range plans() {
		if err != nil {
			return changed, err
		}
		var renewed bool
		renewed, err = k.ensure(ctx, p, ca, now)
		changed = changed || renewed
	}
	return changed, err
}

func (k *Kit) ensure(ctx context.Context, p plan, ca *pair, now time.Time) (changed bool, err error) {
	s := k.Server(p.name)
	if s.Port == 0 {
		s = Server{Name: p.name, Hostname: p.hostname, Version: p.version}
		if s.Port, err = freePort(ctx); err != nil {
			return false, err
		}
		k.Servers = append(k.Servers, s)
		changed = true
	}
	if p.certified == "" {
		return changed, nil
	}
	if own, err := parse(s.Cert, s.Key); err == nil && now.Add(p.renew).Before(own.cert.NotAfter) {
		return changed, nil
	}
	own, err := ca.sign(p.certified, now, p.lasts)
	if err != nil {
		return changed, err
	}
	if s.Cert, s.Key, err = own.encode(); err != nil {
		return changed, err
	}
	for i := range k.Servers {
		if k.Servers[i].Name == p.name {
			k.Servers[i] = s
		}
	}
	return true, nil
}

// Where the ports of the servers are: below those that systems give to whoever
// asks for any. A port is kept for as long as the kit, and nobody is to come upon
// it by chance while the demo is not running.
const (
	firstPort = 20000
	ports     = 10000
	portTries = 100
)

// freePort is a port on loopback that nobody listens at.
func freePort(ctx context.Context) (int, error) {
	var listening error
	for range portTries {
		n, err := rand.Int(rand.Reader, big.NewInt(ports))
		if err != nil {
			return 0, err
		}
		port := firstPort + int(n.Int64())
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
		listening = err
	}
	return 0, listening
}
