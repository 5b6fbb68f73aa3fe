package probe_test

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/peering/peering/internal/probe"
)

func TestRoots_authoritiesOfTheFileAreTrustedBesideTheSystems(t *testing.T) {
	a, b, stranger := newAuthority(t), newAuthority(t), newAuthority(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, slices.Concat([]byte("# ours\n"), a.pem(), b.pem()), 0o600); err != nil {
		t.Fatal(err)
	}
	roots, err := probe.Roots(file)
	if err != nil {
		t.Fatal(err)
	}
	for of, trusted := range map[*authority]bool{a: true, b: true, stranger: false} {
		s := listen(t, "127.0.0.1:0", secured(with(of.leaf(t)), answering(healthy)))
		r := look(t, of, s.port, func(o *probe.Options) { o.Roots = roots })
		if got := r.Failure.Code == ""; got != trusted {
			t.Errorf("got %+v, want trusted %t", r.Failure, trusted)
		}
	}
	system, err := probe.Roots("")
	if err != nil {
		t.Fatal(err)
	}
	system.AddCert(a.root)
	system.AddCert(b.root)
	if !roots.Equal(system) {
		t.Error("the authorities are not those of the system and of the file")
	}
}

func TestRoots_errorsNameTheFile(t *testing.T) {
	a := newAuthority(t)
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})
	broken := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})
	for tells, content := range map[string][]byte{
		"no certificate":               []byte("nothing\n"),
		`"PRIVATE KEY"`:                bytes.Join([][]byte{a.pem(), key}, nil),
		"certificate 2 cannot be read": bytes.Join([][]byte{a.pem(), broken}, nil),
	} {
		file := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := probe.Roots(file)
		if err == nil || !strings.Contains(err.Error(), tells) || !strings.Contains(err.Error(), file) {
			t.Errorf("got error %v, want the file and %q", err, tells)
		}
	}
	missing := filepath.Join(t.TempDir(), "absent.pem")
	if _, err := probe.Roots(missing); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("got error %v, want one that names the file", err)
	}
}
