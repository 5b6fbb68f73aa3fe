package deploy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"golang.org/x/crypto/bcrypt"

	"github.com/peering/peering/deploy/nats/accounts"
	"github.com/peering/peering/internal/eventstore"
)

// The services of the tests: portal has acme, billing has globex.
const (
	portalMark  = "@portal+operator"
	billingMark = "@billing+security"
	password    = "s3cretf0rthetest"
)

// deployment is a server that runs with the files of nats/ and accounts made for
// two services.
type deployment struct {
	dir    string // of the files
	conf   string // accounts.conf without holes
	store  string // of the streams
	server *server.Server
	keys   map[string]nkeys.KeyPair // of portal and billing
}

// walls says whether the permissions of the services' users are in force, or the
// accounts have to hold alone.
type walls string

const (
	both         walls = "accounts and permissions"
	accountsOnly walls = "accounts alone"
)

// startDeployment starts one whose walls have holes: portal may also publish on
// these subjects.
func startDeployment(t *testing.T, w walls, holes ...string) *deployment {
	t.Helper()
	d := &deployment{dir: t.TempDir()}
	for _, file := range []string{"nats.conf", "deployment.conf", "system.conf"} {
		d.write(t, file, read(t, "nats/"+file))
	}
	d.conf = d.accounts(t, w)
	d.write(t, "accounts.conf", withHoles(t, d.conf, holes))
	setPasswords(t)
	d.store = t.TempDir()
	var err error
	if d.server, err = server.NewServer(d.options(t)); err != nil {
		t.Fatal(err)
	}
	d.server.Start()
	t.Cleanup(func() { d.server.Shutdown(); d.server.WaitForShutdown() })
	if !d.server.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not start with nats/nats.conf")
	}
	return d
}

// options reads the files as they are now, for a server of a test.
func (d *deployment) options(t *testing.T) *server.Options {
	t.Helper()
	opts, err := server.ProcessConfigFile(filepath.Join(d.dir, "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	opts.Host, opts.Port, opts.HTTPPort, opts.StoreDir, opts.NoLog, opts.NoSigs = "127.0.0.1", -1, 0, d.store, true, true
	opts.AuthTimeout = 30
	opts.SyncAlways = false // what is on the disk after a power cut is not asked here
	return opts
}

// setPasswords gives nats.conf its environment.
func setPasswords(t *testing.T) {
	t.Helper()
	for _, user := range []string{"API", "PROJECTOR", "PROBER", "SYS"} {
		t.Setenv("NATS_"+user+"_PASSWORD", password)
	}
}

// unset takes a variable out of the environment until the test ends.
func unset(t *testing.T, name string) {
	t.Helper()
	t.Setenv(name, "") // puts it back
	if err := os.Unsetenv(name); err != nil {
		t.Fatal(err)
	}
}

func (d *deployment) write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, file), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// withHoles lets portal publish on further subjects.
func withHoles(t *testing.T, conf string, holes []string) string {
	t.Helper()
	for _, subject := range holes {
		head, portal, found := strings.Cut(conf, "  service-portal {")
		if !found {
			t.Fatal("there is no account of portal")
		}
		head = strings.Replace(head, "exports: [", fmt.Sprintf("exports: [ { service: %q, accounts: [service-portal] },", subject), 1)
		portal = strings.Replace(portal, "imports: [", fmt.Sprintf("imports: [ { service: { account: PEERING, subject: %q } },", subject), 1)
		conf = head + "  service-portal {" + portal
	}
	return conf
}

var permissions = regexp.MustCompile(`(?s)    default_permissions \{.*?\n    \}\n`)

// accounts makes accounts.conf for the services of the tests.
func (d *deployment) accounts(t *testing.T, w walls) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), 10)
	if err != nil {
		t.Fatal(err)
	}
	public := map[string]string{}
	d.keys = map[string]nkeys.KeyPair{}
	for _, name := range []string{"portal", "billing"} {
		if d.keys[name], err = nkeys.CreateUser(); err != nil {
			t.Fatal(err)
		}
		if public[name], err = d.keys[name].PublicKey(); err != nil {
			t.Fatal(err)
		}
	}
	services, err := accounts.Read(strings.NewReader(fmt.Sprintf(`
services:
  - {name: portal, enterprises: [Acme], role: operator, events: true, credentials: [{nkey: %s}]}
  - {name: billing, enterprises: [globex], role: security, credentials: [{nkey: %s}]}
  - {name: watch, enterprises: [acme, globex], role: viewer, credentials: [{user: watch, bcrypt: %q}]}
`, public["portal"], public["billing"], hash)))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := accounts.Write(&out, services); err != nil {
		t.Fatal(err)
	}
	// The race detector makes a hash that is slow on purpose slower than the
	// server waits.
	quick, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(out.String(), string(hash), string(quick))
	if w == both {
		return text
	}
	without := permissions.ReplaceAllString(text, "")
	if strings.Contains(without, "permissions") || without == text {
		t.Fatal("the permissions were not taken out")
	}
	return without
}

// as connects as a program or a service.
func (d *deployment) as(t *testing.T, user string) *nats.Conn {
	t.Helper()
	key, ok := d.keys[user]
	if !ok {
		return d.connect(t, nats.UserInfo(user, password))
	}
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return d.connect(t, nats.Nkey(public, key.Sign))
}

// patient waits longer than usual: comparing a password with its hash is slow on
// purpose, and much slower under the race detector.
var patient = nats.Timeout(30 * time.Second)

func (d *deployment) connect(t *testing.T, opt nats.Option) *nats.Conn {
	t.Helper()
	// What is refused is what the tests are about; the default handler prints it.
	quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
	nc, err := nats.Connect(d.server.ClientURL(), opt, quiet, patient)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// withStreams makes the streams as the program does.
func (d *deployment) withStreams(t *testing.T) jetstream.JetStream {
	t.Helper()
	nc := d.as(t, "api")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	o := eventstore.StreamOptions{MaxBytes: 64 << 20}
	if err := eventstore.Ensure(ctx, nc, o); err != nil {
		t.Fatal(err)
	}
	if _, err := eventstore.EnsureBus(ctx, nc, o); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}
