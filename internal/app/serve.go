package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/config"
	"github.com/peering/peering/internal/demo"
	"github.com/peering/peering/internal/embednats"
	"github.com/peering/peering/internal/eventstore"
)

// Run runs the role that c asks for until ctx ends. It writes to stdout where
// it listens, one address a line, and nothing else. It returns nil after it was
// asked to stop and everything it started has; an error says why it cannot go
// on. What heals by itself (a server that does not answer yet) is no error.
func Run(ctx context.Context, c config.Config, stdout io.Writer, log *slog.Logger) error {
	log = log.With("role", string(c.Role))
	run := runProgram
	if c.Role == config.Serve {
		run = runServe
	}
	log.Info("starting", "version", Version())
	if err := checkFiles(c, log); err != nil {
		return err
	}
	if err := run(ctx, c, stdout, log); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// runServe runs every role on an embedded server and the data directory. Nothing
// is written to stdout unless everything that is to listen does.
func runServe(ctx context.Context, c config.Config, stdout io.Writer, log *slog.Logger) (err error) {
	// A configuration that was loaded has room enough, see config.StoreFor.
	if need := streamOptions(c, nil).Reserved(); c.MaxStore < need {
		return config.Faults{{Setting: "max_store", Problem: fmt.Sprintf(
			"%s is too little for log_max_bytes %s and what goes with it: at least %s",
			humanize.IBytes(uint64(c.MaxStore)), humanize.IBytes(uint64(c.LogMaxBytes)), humanize.IBytes(uint64(need)))}} // #nosec G115 -- sizes
	}
	defer thrifty()()
	data, err := openData(c.Data, Version())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()

	if err := admit(ctx, c, log); err != nil {
		return err
	}
	server, err := embednats.Start(embednats.Options{
		Dir: filepath.Join(c.Data, "nats"), Listen: c.NATSListen,
		SyncAlways: true, MaxStore: c.MaxStore, Logger: log.With("part", "nats"),
	})
	if err != nil {
		return err
	}
	defer server.Shutdown()
	connect := func(name string, more ...nats.Option) (*nats.Conn, error) {
		return server.Connect(append(eventstore.ConnectOptions(name, log), more...)...)
	}
	nc, err := connect("peering-serve")
	if err != nil {
		return err
	}
	defer nc.Close()
	listener, err := listen(ctx, c.Listen, stdout)
	if err != nil {
		return err
	}
	if c.NATSListen != "" {
		log.Warn("whoever can connect to the NATS server on this machine can read and write the log, whatever tokens there are", "nats", server.Addr())
		if _, err := fmt.Fprintf(stdout, "nats=%s\n", server.Addr()); err != nil {
			return errors.Join(fmt.Errorf("standard output: %w", err), listener.Close())
		}
	}
	p := newProcess(c, log, nc, connect, server)
	if c.Demo {
		if p.demo, err = demo.Open(ctx, filepath.Join(c.Data, "demo.json"), time.Now()); err != nil {
			return errors.Join(fmt.Errorf("demo: %w", err), listener.Close())
		}
	}
	return p.run(ctx, listener)
}

// thrifty has the garbage collector trade processor time for memory, unless the
// environment says what it is to do: everything in one process mostly waits for
// the disk, and shares its machine with others. With 100,000 peers that are probed
// it takes 490 MiB so, and 580 at 50 per cent (BenchmarkMemory). undo ends that.
func thrifty() (undo func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(20)
	return func() { debug.SetGCPercent(before) }
}

// runProgram runs one role against a NATS server and a database elsewhere.
func runProgram(ctx context.Context, c config.Config, stdout io.Writer, log *slog.Logger) error {
	if err := admit(ctx, c, log); err != nil {
		return err
	}
	connect := func(name string, more ...nats.Option) (*nats.Conn, error) {
		return connectNATS(c, log, name, more...)
	}
	nc, err := connect("peering-" + string(c.Role))
	if err != nil {
		return err
	}
	defer nc.Close()
	listener, err := listen(ctx, c.Listen, stdout)
	if err != nil {
		return err
	}
	return newProcess(c, log, nc, connect, nil).run(ctx, listener)
}

func streamOptions(c config.Config, log *slog.Logger) eventstore.StreamOptions {
	return eventstore.StreamOptions{Replicas: c.Replicas, MaxBytes: c.LogMaxBytes, Logger: log}
}
