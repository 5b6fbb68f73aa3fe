package testkit

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
)

// postgresServer is the PostgreSQL of this process. Like the cluster it is a
// package variable that changes: a TestMain cannot pass anything to a test.
var postgresServer = &postgres{}

// postgres is a server in a directory of its own, started when first needed.
type postgres struct {
	mu      sync.Mutex
	dir     string
	address string
	err     error
	end     chan struct{} // closed to stop it
	stopped chan struct{} // closed when it has
}

// errNoPostgres says that there are no binaries of PostgreSQL.
var errNoPostgres = errors.New("no PostgreSQL server: install the package postgresql, or set " + DatabaseVariable)

// url starts the server unless it runs, and returns the URL of its superuser.
func (p *postgres) url(t testing.TB) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.address == "" && p.err == nil {
		p.err = p.start()
	}
	if errors.Is(p.err, errNoPostgres) {
		Absent(t, p.err.Error())
	}
	if p.err != nil {
		t.Fatalf("starting PostgreSQL: %v", p.err)
	}
	return p.address
}

func (p *postgres) start() error {
	bin, err := postgresBinaries()
	if err != nil {
		return err
	}
	if p.dir, err = os.MkdirTemp("", "peering-postgres-"); err != nil {
		return err
	}
	if err := giveAway(p.dir); err != nil {
		return err
	}
	password := rand.Text()
	if err := p.initialise(bin, password); err != nil {
		return err
	}
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	if err := p.run(bin, ports[0]); err != nil {
		return err
	}
	address := fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/postgres?sslmode=disable", password, ports[0])
	if err := p.waitReady(address); err != nil {
		return err
	}
	p.address = address
	return nil
}

// initialise makes the data directory. The order of texts is English where that
// can be had, so that whoever needs the order of bytes has to ask for it.
func (p *postgres) initialise(bin, password string) error {
	secret := filepath.Join(p.dir, "password")
	if err := os.WriteFile(secret, []byte(password), 0o600); err != nil {
		return err
	}
	if err := giveAway(secret); err != nil {
		return err
	}
	args := []string{
		"--pgdata=" + filepath.Join(p.dir, "data"), "--username=postgres", "--pwfile=" + secret,
		"--auth=password", "--encoding=UTF8", "--locale=C", "--no-sync",
	}
	english := append(slices.Clone(args), "--locale-provider=icu", "--icu-locale=en")
	if _, err := p.command(bin, "initdb", english...).CombinedOutput(); err == nil {
		return nil
	}
	if output, err := p.command(bin, "initdb", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, output)
	}
	return nil
}

// run starts the server and stops it when end is closed.
func (p *postgres) run(bin string, port int) error {
	args := []string{"-D", filepath.Join(p.dir, "data")}
	for _, setting := range []string{
		"listen_addresses=127.0.0.1", fmt.Sprintf("port=%d", port), "unix_socket_directories=",
		"fsync=off", "synchronous_commit=off", "full_page_writes=off",
		"max_connections=200", "shared_buffers=128MB", "max_wal_size=4GB",
	} {
		args = append(args, "-c", setting)
	}
	server := p.command(bin, "postgres", args...)
	log, err := os.Create(filepath.Join(p.dir, "log"))
	if err != nil {
		return err
	}
	server.Stdout, server.Stderr = log, log
	started := make(chan error)
	p.end, p.stopped = make(chan struct{}), make(chan struct{})
	go func() {
		// The server dies with the thread that started it, at the latest.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.stopped)
		defer log.Close()
		err := server.Start()
		started <- err
		if err != nil {
			return
		}
		<-p.end
		_ = server.Process.Signal(syscall.SIGQUIT) // at once: nothing is to be kept
		_ = server.Wait()
	}()
	return <-started
}

func (p *postgres) command(bin, name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(bin, name), args...) // #nosec G204 -- a binary of PostgreSQL
	c.Dir = p.dir
	c.Env = append(os.Environ(), "LC_ALL=C")
	c.SysProcAttr = ordinaryUser()
	return c
}

func (p *postgres) waitReady(address string) error {
	db, err := sql.Open("pgx", address)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if !poll(ctx, func() bool { err = db.PingContext(ctx); return err == nil }) {
		return fmt.Errorf("it does not answer after %s: %w", Patience, err)
	}
	return nil
}

// stop ends the server and removes what it stored.
func (p *postgres) stop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.end != nil {
		close(p.end)
		select {
		case <-p.stopped:
		case <-time.After(Patience):
			return errors.New("PostgreSQL does not stop")
		}
	}
	if p.dir == "" {
		return nil
	}
	return os.RemoveAll(p.dir)
}

// postgresBinaries is the directory of the newest PostgreSQL of this machine.
func postgresBinaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errNoPostgres
	}
	slices.SortFunc(found, func(a, b string) int { return len(a) - len(b) }) // 9.6 before 15, by length
	return filepath.Dir(found[len(found)-1]), nil
}
