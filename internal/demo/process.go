package demo

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// Subcommand is the argument that makes the program one of the demo's servers.
const Subcommand = "demo-peer"

// Run serves the servers of the kit, each in a process of its own, so that one
// can be killed to see what becomes of its peer. It returns after ctx ends and
// the processes have. One that cannot serve, or ends early, is logged: its peer
// is down then.
func (k *Kit) Run(ctx context.Context, program string, log *slog.Logger) error {
	var group errgroup.Group
	for _, s := range k.Servers {
		if s.Cert == "" {
			continue
		}
		group.Go(func() error {
			err := s.run(ctx, program, log)
			if ctx.Err() == nil {
				log.Warn("a server of the demo has ended; its peer is down until the next start", "server", s.Name, "err", err)
			}
			return nil
		})
	}
	return errors.Join(group.Wait(), ctx.Err())
}

// run runs the process of one server until it ends. Its standard input stays
// open as long as this process lives: when it is closed, the server ends.
func (s Server) run(ctx context.Context, program string, log *slog.Logger) error {
	cmd := exec.CommandContext(ctx, program, Subcommand)
	cmd.Stderr, cmd.WaitDelay = os.Stderr, time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := json.NewEncoder(in).Encode(s); err != nil {
		return errors.Join(err, cmd.Wait())
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err == nil && line == ready {
		log.Info("a server of the demo is there", "server", s.Name, "hostname", s.Hostname, "port", s.Port, "pid", cmd.Process.Pid)
	}
	return cmd.Wait()
}

// ready is what a server says when it listens.
const ready = "ready\n"

// Main is one server as a process: it reads what to serve from in, says on out
// that it is ready, and serves until in or ctx ends, whichever is first. A read
// of in that is still under way then is left behind.
func Main(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	var s Server
	err := await(ctx, func() error {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return err
		}
		return json.Unmarshal(line, &s)
	})
	if err == nil && ctx.Err() == nil { // after its end s may be written to still
		err = s.serve(ctx, lines, out)
	}
	if err != nil {
		return fmt.Errorf("the demo's server %s: %w", s.Name, err)
	}
	return nil
}

// await waits for f, which reads and cannot be interrupted, or for the end of ctx.
func await(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (s Server) serve(ctx context.Context, in io.Reader, out io.Writer) error {
	cert, err := tls.X509KeyPair([]byte(s.Cert), []byte(s.Key))
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)))
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: s.handler(), TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(l, "", "") }()
	_, err = io.WriteString(out, ready)
	if err == nil {
		err = await(ctx, func() error { // until whoever started it has gone
			_, err := io.Copy(io.Discard, in)
			return err
		})
	}
	err = errors.Join(err, server.Close())
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// handler answers as a server of peering does.
func (s Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/peering", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"version": s.Version, "enterprises": []string{}}) // who asked may be gone
	})
	return mux
}
