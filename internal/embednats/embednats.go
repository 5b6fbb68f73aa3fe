// Package embednats owns the NATS server that runs inside the process: its
// settings, its start and its stop.
//
// It imports nothing of the product. app starts it for `peering serve`, testkit
// for tests; the event store connects to it like to any other server.
package embednats

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Options are the settings of the embedded server.
type Options struct {
	// Dir keeps the streams. It is made when it is not there. Only one server
	// may use it at a time; the caller holds a lock on it.
	Dir string
	// Listen is the address to listen on, host:port with port 0 for a free one.
	// Only loopback addresses are accepted: the server has no authentication.
	// Empty: no listener at all, Connect is the only way in.
	Listen string
	// SyncAlways writes every message through to the disk before it is
	// acknowledged. Without it a power cut may take two minutes of
	// acknowledged events with it: off is for tests.
	SyncAlways bool
	// MaxStore bounds the bytes of all streams; 0 means DefaultMaxStore.
	MaxStore int64
	// Logger gets the server's own messages; nil discards them.
	Logger *slog.Logger
}

// DefaultMaxStore is the bound of all streams when Options names none.
const DefaultMaxStore = 16 << 30

const (
	maxMemory    = 64 << 20 // memory consumers only; no stream lives in memory
	startTimeout = 30 * time.Second
)

// Server is a running NATS server with JetStream.
type Server struct {
	ns       *server.Server
	dir      string
	maxStore int64
	addr     string
	healing  sync.Mutex
}

// Start starts a server and returns when it answers. The error says what is
// wrong with the directory or the address. The caller calls Shutdown.
func Start(o Options) (*Server, error) {
	dir, err := usable(o.Dir)
	if err != nil {
		return nil, err
	}
	if o.MaxStore == 0 {
		o.MaxStore = DefaultMaxStore
	}
	opts := &server.Options{
		ServerName:             "peering",
		DontListen:             o.Listen == "",
		NoSigs:                 true,
		DisableJetStreamBanner: true,
		JetStream:              true,
		StoreDir:               dir,
		SyncAlways:             o.SyncAlways,
		JetStreamMaxStore:      o.MaxStore,
		JetStreamMaxMemory:     maxMemory,
	}
	if o.Listen != "" {
		if opts.Host, opts.Port, err = loopback(o.Listen); err != nil {
			return nil, err
		}
	}
	log := newLogger(o.Logger)
	ns, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	ns.SetLoggerV2(log, false, false, false)
	ns.Start()
	s := &Server{ns: ns, dir: dir, maxStore: o.MaxStore}
	if !ns.ReadyForConnections(startTimeout) || !ns.JetStreamEnabled() {
		s.Shutdown()
		return nil, fmt.Errorf("embedded nats: the server did not start: %w", log.fatal())
	}
	if a := ns.Addr(); o.Listen != "" && a != nil {
		s.addr = a.String()
	}
	return s, nil
}

// Connect returns a connection that stays inside the process. Its options are
// those of any connection; see eventstore.ConnectOptions.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	all := append([]nats.Option{nats.InProcessServer(s.ns)}, opts...)
	nc, err := nats.Connect("", all...)
	if err != nil {
		return nil, fmt.Errorf("embedded nats: connect: %w", err)
	}
	return nc, nil
}

// Addr is the address that the server listens on, empty when it does not listen.
func (s *Server) Addr() string { return s.addr }

// Shutdown stops the server and waits until it has stopped. It may be called
// again.
func (s *Server) Shutdown() {
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
}

// Check returns an error when JetStream is off, or when a stream has stopped
// writing: one that met a full disk answers nobody any more, while others on the
// same disk go on. It stays like that until Heal.
func (s *Server) Check() error {
	s.healing.Lock()
	defer s.healing.Unlock()
	if h := s.ns.Healthz(&server.HealthzOptions{}); h.Error != "" {
		return fmt.Errorf("embedded nats: %s", h.Error)
	}
	return nil
}

// Heal takes JetStream up again after it has stopped writing, which it does for
// good when the disk is full or refuses a write. Streams are read anew from the
// disk; connections stay. While the disk is still full Heal may succeed and the
// next write fail as before: it may be called again. Requests that are waiting
// meanwhile end by their own timeouts.
func (s *Server) Heal() error {
	s.healing.Lock()
	defer s.healing.Unlock()
	if !s.ns.Running() {
		return errors.New("embedded nats: the server has stopped")
	}
	if s.ns.JetStreamEnabled() {
		if err := s.ns.ShutdownJetStream(); err != nil {
			return fmt.Errorf("embedded nats: stopping JetStream: %w", err)
		}
	}
	err := s.ns.EnableJetStream(&server.JetStreamConfig{
		StoreDir: s.dir, MaxStore: s.maxStore, MaxMemory: maxMemory,
	})
	if err != nil {
		return fmt.Errorf("embedded nats: starting JetStream again: %w", err)
	}
	return nil
}

// usable makes dir and checks that it can be written to, because the server's
// own message about it is lost in its log.
func usable(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("embedded nats: no data directory is given")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("embedded nats: data directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("embedded nats: the data directory cannot be made: %w", err)
	}
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return "", fmt.Errorf("embedded nats: the data directory cannot be written to: %w", err)
	}
	return dir, errors.Join(f.Close(), os.Remove(f.Name()))
}

// loopback takes a listen address apart, and tries whether it is free: the
// server reports a port in use only by ending the process's hopes.
func loopback(listen string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("embedded nats: listen address %q: %w", listen, err)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("embedded nats: listen address %q: the port is not a number from 0 to 65535", listen)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return "", 0, fmt.Errorf("embedded nats: listen address %q is not a loopback address, and the server has no authentication; run a NATS server of its own for other machines", listen)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, text)) //nolint:noctx // it is closed at once
	if err != nil {
		return "", 0, fmt.Errorf("embedded nats: %w", err)
	}
	if err := l.Close(); err != nil {
		return "", 0, fmt.Errorf("embedded nats: %w", err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}
