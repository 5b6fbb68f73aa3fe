package testkit

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	natsd "github.com/nats-io/nats-server/v2/server"
)

// Configured is a NATS server that runs from a configuration file, for tests of
// what only such a file says: accounts, users and their permissions.
type Configured struct {
	t      testing.TB
	file   string
	store  string
	server *natsd.Server
}

// Configure starts a server from the text of a configuration, and stops it when
// the test ends. JetStream is on, and stores in a directory of the test; the text
// says the rest, where it listens too.
func Configure(t testing.TB, text string) *Configured {
	t.Helper()
	c := &Configured{t: t, file: filepath.Join(t.TempDir(), "nats.conf"), store: t.TempDir()}
	c.write(text)
	options, err := natsd.ProcessConfigFile(c.file)
	if err != nil {
		t.Fatal(err)
	}
	if c.server, err = natsd.NewServer(options); err != nil {
		t.Fatal(err)
	}
	c.server.Start()
	t.Cleanup(func() {
		c.server.Shutdown()
		c.server.WaitForShutdown()
	})
	if !c.server.ReadyForConnections(Patience) {
		t.Fatal("the server does not start")
	}
	return c
}

// Reload has the running server take another configuration.
func (c *Configured) Reload(text string) {
	c.t.Helper()
	c.write(text)
	if err := c.server.Reload(); err != nil {
		c.t.Fatal(err)
	}
}

// URL is where a user connects.
func (c *Configured) URL(user, password string) string {
	return "nats://" + user + ":" + password + "@" + c.server.Addr().String()
}

func (c *Configured) write(text string) {
	c.t.Helper()
	text = fmt.Sprintf("jetstream { store_dir: %q }\n%s", c.store, text)
	if err := os.WriteFile(c.file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}
