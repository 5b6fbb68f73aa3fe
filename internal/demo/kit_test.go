package demo_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/demo"
)

const day = 24 * time.Hour

func open(t *testing.T, path string, now time.Time) *demo.Kit {
	t.Helper()
	k, err := demo.Open(t.Context(), path, now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func kitFile(t *testing.T) string { return filepath.Join(t.TempDir(), "demo.json") }

// save replaces the file with another kit.
func save(t *testing.T, path string, k *demo.Kit) {
	t.Helper()
	data, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func certificate(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatalf("no certificate in %q", text)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// trusts reports whether a server's certificate is good for a name, by the
// authority of the kit alone.
func trusts(t *testing.T, k *demo.Kit, s demo.Server, name string, now time.Time) bool {
	t.Helper()
	pool := x509.NewCertPool()
	if err := k.Roots(pool); err != nil {
		t.Fatal(err)
	}
	_, err := certificate(t, s.Cert).Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: now})
	return err == nil
}

func TestOpen_kitIsKept(t *testing.T) {
	path, now := kitFile(t), time.Now()
	first := open(t, path, now)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with the keys: %v, %v", info.Mode(), err)
	}
	if d := cmp.Diff(first, open(t, path, now.Add(day))); d != "" {
		t.Error(d)
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestOpen_serversAreWhatTheDemoShows(t *testing.T) {
	now := time.Now()
	k := open(t, kitFile(t), now)
	for _, c := range []struct {
		name    string
		own     bool // its certificate is for its own name
		expires bool // within the three weeks before a peer needs attention
	}{{"berlin", true, false}, {"lyon", true, true}, {"madrid", false, false}} {
		s := k.Server(c.name)
		if got := trusts(t, k, s, s.Hostname, now); got != c.own {
			t.Errorf("%s has a good certificate for %s: %v", s.Name, s.Hostname, got)
		}
		if got := now.Add(21 * day).After(certificate(t, s.Cert).NotAfter); got != c.expires {
			t.Errorf("the certificate of %s expires soon: %v", s.Name, got)
		}
	}
	if !trusts(t, k, k.Server("madrid"), "mas.madrid.example", now) {
		t.Error("the only fault of Madrid's certificate must be its name")
	}
	if s := k.Server("oslo"); s.Port == 0 || s.Cert != "" {
		t.Errorf("nobody is to serve %+v", s)
	}
	hosts, allow := k.Hosts(), k.Allow()
	if len(hosts) != 4 || !hosts["uc.oslo.example"].IsLoopback() || len(allow) != 5 || allow[0] != "127.0.0.1" {
		t.Errorf("hosts %v, allowed %v", hosts, allow)
	}
}

func TestOpen_kitIsCompleted(t *testing.T) {
	path, now := kitFile(t), time.Now()
	first := open(t, path, now)
	lost := slices.IndexFunc(first.Servers, func(s demo.Server) bool { return s.Name == "lyon" })
	less := *first
	less.Servers = slices.Delete(slices.Clone(first.Servers), lost, lost+1)
	less.Servers[0].Key = ""
	save(t, path, &less)
	second := open(t, path, now)
	if s := second.Server("lyon"); s.Port == 0 || !trusts(t, second, s, s.Hostname, now) {
		t.Errorf("the lost server is %+v", s)
	}
	if s, was := second.Server("berlin"), first.Server("berlin"); s.Port != was.Port || s.Key == "" || !trusts(t, second, s, s.Hostname, now) {
		t.Errorf("the server without a key is %+v", s)
	}
	if second.Server("madrid") != first.Server("madrid") || second.CA != first.CA {
		t.Error("what was complete has changed")
	}
}

// TestOpen_certificatesAreRenewed: Lyon's stays one that ends soon, and never
// ends; the ports stay.
func TestOpen_certificatesAreRenewed(t *testing.T) {
	path, now := kitFile(t), time.Now()
	first := open(t, path, now)
	for _, c := range []struct {
		after   time.Duration
		renewed []string
	}{
		{9 * day, nil},
		{11 * day, []string{"lyon"}},
		{320 * day, []string{"berlin", "lyon", "madrid"}},
		{3600 * day, []string{"CA", "berlin", "lyon", "madrid"}}, // the authority itself ends
	} {
		then := now.Add(c.after)
		k := open(t, path, then)
		var renewed []string
		if k.CA != first.CA {
			renewed = append(renewed, "CA")
		}
		for _, s := range k.Servers {
			if was := first.Server(s.Name); s.Cert != was.Cert {
				renewed = append(renewed, s.Name)
			}
			if was := first.Server(s.Name); s.Port != was.Port || s.Hostname != was.Hostname {
				t.Errorf("after %s: %s:%d was %s:%d", c.after, s.Hostname, s.Port, was.Hostname, was.Port)
			}
		}
		if d := cmp.Diff(c.renewed, renewed); d != "" {
			t.Errorf("renewed after %s: %s", c.after, d)
		}
		lyon := k.Server("lyon")
		if left := certificate(t, lyon.Cert).NotAfter.Sub(then); left < 4*day || left > 21*day || !trusts(t, k, lyon, lyon.Hostname, then) {
			t.Errorf("after %s Lyon's certificate has %s left", c.after, left)
		}
		first = k
	}
}

func TestOpen_brokenFileIsNamed(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"no JSON":      {"{", "delete it"},
		"another form": {`{"servers": 1}`, "delete it"},
	} {
		path := kitFile(t)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := demo.Open(t.Context(), path, time.Now())
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != c.text {
			t.Errorf("%s: the file has become %q, %v", name, got, err)
		}
	}
	if _, err := demo.Open(t.Context(), filepath.Join(t.TempDir(), "none", "demo.json"), time.Now()); err == nil {
		t.Error("a directory that is not there is no error")
	}
}

func TestOpen_brokenAuthorityIsReplacedWithAllThatItSigned(t *testing.T) {
	path, now := kitFile(t), time.Now()
	first := open(t, path, now)
	broken := *first
	broken.CAKey = "no key"
	save(t, path, &broken)
	k := open(t, path, now)
	if k.CA == first.CA {
		t.Error("an authority without a key was kept")
	}
	for _, name := range []string{"berlin", "lyon"} {
		if s := k.Server(name); !trusts(t, k, s, s.Hostname, now) {
			t.Errorf("%s is not trusted under the new authority", name)
		}
	}
}
