package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/peering/peering/internal/testkit"
)

const firstToken = "first-0123456789abcdef0123456789abcdef"

// TestServe_beyondThisMachine: nobody listens for others without a token. The
// first comes from a file, the certificate from an authority that the command
// line is told of. What really listens here does so on loopback.
func TestServe_beyondThisMachine(t *testing.T) {
	dir, data := t.TempDir(), t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	refused := launch(t, nil, "peering", "serve", "--data", data, "--listen", "0.0.0.0:0")
	if code := refused.Wait(); code != 2 || !strings.Contains(refused.Log(), "PEERING_ADMIN_TOKEN_FILE") || len(refused.Stdout()) > 0 {
		t.Errorf("code %d, %q: %s", code, refused.Stdout(), refused.Log())
	}

	authority := testkit.NewAuthority(t)
	cert, key, _ := authority.Issue(t, dir)
	env := []string{"PEERING_TLS_CERT=" + cert, "PEERING_TLS_KEY=" + key, "PEERING_ADMIN_TOKEN_FILE=" + write("first", firstToken+"\n"), "PEERING_LOG_LEVEL=debug"}
	p := start(t, env, "peering", "serve", "--data", data, "--listen", "127.0.0.1:0", "--demo")
	address := strings.TrimPrefix(p.URL, "http://")
	p.Eventually("it is ready", func() bool {
		return launch(t, env, "peering", "serve", "--healthcheck", "--listen", address).Wait() == 0
	})
	p.Eventually("the demo is there", func() bool {
		return launch(t, nil, "peering", "--server", "https://"+address, "--ca-file", write("ca.pem", string(authority.PEM)),
			"--token", firstToken, "peer", "list", "demo-acme").Wait() == 0
	})
	ca := filepath.Join(dir, "ca.pem")
	for name, c := range map[string]struct {
		env  []string
		args []string
		code int
		says string
	}{
		"a token, and the authority": {[]string{"PEERING_TOKEN=" + firstToken, "PEERING_CA_FILE=" + ca}, nil, 0, ""},
		"by flags":                   {nil, []string{"--token", firstToken, "--ca-file", ca}, 0, ""},
		"no token":                   {nil, []string{"--ca-file", ca}, 3, "PEERING_TOKEN"},
		"no authority":               {[]string{"PEERING_TOKEN=" + firstToken}, nil, 1, "--ca-file"},
		"no TLS":                     {[]string{"PEERING_TOKEN=" + firstToken}, []string{"--server", "http://" + address}, 1, "HTTPS"},
	} {
		asked := launch(t, c.env, "peering", append([]string{"peer", "list", "demo-acme", "--server", "https://" + address}, c.args...)...)
		if code := asked.Wait(); code != c.code || !strings.Contains(asked.Log(), c.says) {
			t.Errorf("%s: code %d: %s", name, code, asked.Log())
		}
	}
	if code := p.Stop(); code != 0 {
		t.Errorf("stopped with code %d", code)
	}
	if strings.Contains(p.Log(), firstToken) {
		t.Errorf("the log has the token:\n%s", p.Log())
	}

	// Another file changes nothing: the deployment has a token.
	env[2] = "PEERING_ADMIN_TOKEN_FILE=" + write("other", strings.ToUpper(firstToken))
	p = start(t, env, "peering", "serve", "--data", data, "--listen", "127.0.0.1:0")
	at := []string{"--server", strings.Replace(p.URL, "http", "https", 1), "--ca-file", ca, "peer", "list", "demo-acme", "--token"}
	if asked := launch(t, nil, "peering", append(at, firstToken)...); asked.Wait() != 0 {
		t.Errorf("the first token: %s", asked.Log())
	}
	if asked := launch(t, nil, "peering", append(at, strings.ToUpper(firstToken))...); asked.Wait() != 3 {
		t.Errorf("the other file has made a token: %s", asked.Log())
	}
}
