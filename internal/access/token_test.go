package access

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/testkit"
)

func TestSecret_hasMoreThan128BitsAndAPrefix(t *testing.T) {
	seen := map[string]bool{}
	ones := make([]int, 8*secretBytes)
	const n = 10_000
	for range n {
		secret := newSecret()
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
		if err != nil || len(raw)*8 < 128 || !strings.HasPrefix(secret, "peering_") || !wellFormed(secret) || seen[secret] {
			t.Fatalf("%q: %v", secret, err)
		}
		seen[secret] = true
		for i := range ones {
			ones[i] += int(raw[i/8] >> (i % 8) & 1)
		}
	}
	for bit, count := range ones { // a bit that is not random; 8 standard deviations
		if count < n/2-400 || count > n/2+400 {
			t.Errorf("bit %d is one in %d of %d", bit, count, n)
		}
	}
}

// TestSecret_isKeptNowhere looks for it in every byte of the database.
func TestSecret_isKeptNowhere(t *testing.T) {
	dir := t.TempDir()
	k := keeperOf(t, "sqlite:"+filepath.Join(dir, "p.db"), newClock())
	token, secret := root(t, k)
	holder(t, k, secret)
	k.flush(t.Context())
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	hashes := 0
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for what, part := range map[string]string{"secret": secret, "random part": strings.TrimPrefix(secret, secretPrefix)} {
			if bytes.Contains(text, []byte(part)) {
				t.Errorf("%s has the %s", f.Name(), what)
			}
		}
		hashes += bytes.Count(text, []byte(token.Hash))
	}
	if hashes == 0 {
		t.Error("the hash is not in the database either: the test looks in the wrong place")
	}
}

func TestParseSecret_takesOneTokenWithSpaceAround(t *testing.T) {
	good := strings.Repeat("a1", 16)
	for _, text := range []string{good, good + "\n", "\r\n\t " + good + " \n", newSecret(), strings.Repeat("x", maxSecret), "AZaz09-._~+/=" + good} {
		if got, err := ParseSecret(text); err != nil || got != strings.TrimSpace(text) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{
		"", "\n", good[:minSecret-1], strings.Repeat("x", maxSecret+1), good + "\n" + good, good + " x", good + "\x00",
		good + "é", good + "ſ", good + "\xff", "\"" + good + "\"", good + ",", good + ":",
	} {
		if got, err := ParseSecret(text); err == nil || got != "" {
			t.Errorf("%q is taken for %q", text, got)
		} else if len(text) > 8 && strings.Contains(err.Error(), text[:8]) {
			t.Errorf("the error repeats the token: %v", err)
		}
	}
}

// FuzzParseSecret: what is accepted is a header value without a space, and the
// same when it is read again.
func FuzzParseSecret(f *testing.F) {
	for _, seed := range []string{"", newSecret(), " " + newSecret() + "\n", strings.Repeat("=", 40), "\u00a0" + strings.Repeat("a", 40)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		secret, err := ParseSecret(text)
		if err != nil {
			if secret != "" {
				t.Errorf("%q is refused and returned", text)
			}
			return
		}
		if strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`",:;\`, r) }) {
			t.Errorf("%q has what a header cannot", secret)
		}
		if again, err := ParseSecret(secret); err != nil || again != secret {
			t.Errorf("read again it is %q, %v", again, err)
		}
	})
}

func TestGrant_isChecked(t *testing.T) {
	k := keeperOf(t, testkit.SQLite(t).URL, newClock())
	root(t, k)
	for _, c := range []struct {
		field string
		grant Grant
	}{
		{"role", Grant{}},
		{"role", Grant{Role: "king"}},
		{"role", Grant{Role: "Admin"}},
		{"note", Grant{Role: Viewer, Note: "a\nb"}},
		{"note", Grant{Role: Viewer, Note: "a\u0085b"}},
		{"note", Grant{Role: Viewer, Note: "\xff"}},
		{"note", Grant{Role: Viewer, Note: strings.Repeat("é", maxNote+1)}},
		{"enterprise", Grant{Role: Viewer, Enterprise: "a b"}},
		{"enterprise", Grant{Role: Viewer, Enterprise: "-"}},
		{"enterprise", Grant{Role: Viewer, Enterprise: "Acme"}},
	} {
		_, secret, err := k.Create(t.Context(), Loopback(), c.grant)
		wantCode(t, err, domain.Invalid, c.field)
		if secret != "" {
			t.Error("it is refused and made")
		}
	}
	if _, _, err := k.Create(t.Context(), Loopback(), Grant{Role: Viewer, Note: strings.Repeat("é", maxNote)}); err != nil {
		t.Error(err)
	}
}

func TestActor_isTheIDWithItsNote(t *testing.T) {
	k := keeperOf(t, testkit.SQLite(t).URL, newClock())
	token, secret := root(t, k)
	if got, want := holder(t, k, secret).Actor, "root (token:"+token.ID+")"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	bare, secret := made(t, k, Grant{Role: Viewer})
	if got, want := holder(t, k, secret).Actor, "token:"+bare.ID; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
