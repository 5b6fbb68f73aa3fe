package archtest

import (
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// module is the path of the module whose tree is checked.
const module = "github.com/peering/peering"

// root is where the module lies, seen from this package.
const root = "../.."

func TestTree_agreesWithTheMap(t *testing.T) {
	faults, err := Check(os.DirFS(root), module, Layers(), Owners())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Error(f)
	}
}

// check runs the checker over a tree written as a txtar archive.
func check(t *testing.T, archive string) []string {
	t.Helper()
	fsys, err := txtar.FS(txtar.Parse([]byte(archive)))
	if err != nil {
		t.Fatal(err)
	}
	faults, err := Check(fsys, module, Layers(), Owners())
	if err != nil {
		t.Fatal(err)
	}
	return faults
}

// source is a file of the package pkg with its comment and these imports.
func source(pkg string, imports ...string) string {
	var b strings.Builder
	b.WriteString("// Package " + pkg + " owns x and imports y.\npackage " + pkg + "\n")
	for _, i := range imports {
		b.WriteString("import _ \"" + i + "\"\n")
	}
	return b.String()
}

func TestCheck_arrows(t *testing.T) {
	own := func(p string) string { return module + "/" + p }
	tests := []struct {
		name, path, src string
		want            string // part of the only fault; empty: none
	}{
		{"inwards", "internal/command/x.go", source("command", own("internal/domain")), ""},
		{"outwards", "internal/domain/x.go", source("domain", own("internal/command")), "imports internal/command, which its layer may not"},
		{"sideways", "internal/readmodel/x.go", source("readmodel", own("internal/domain")), "internal/readmodel/x.go: imports internal/domain"},
		{"the client imports nothing of ours", "client/x.go", source("client", own("internal/events")), "imports internal/events"},
		{"composition imports all", "internal/app/x.go", source("app", own("internal/httpapi")), ""},
		{"composition has no test code", "internal/app/x.go", source("app", own("internal/testkit")), "imports internal/testkit"},
		{"test code may", "internal/e2e/x.go", source("e2e", own("internal/testkit")), ""},
		{"an unknown package", "internal/util/x.go", source("util"), "internal/util: is not on the map"},
		{"a package below a known one", "internal/domain/helpers/x.go", source("helpers"), "internal/domain/helpers: is not on the map"},
		{"watermill elsewhere", "internal/command/x.go", source("command", "github.com/ThreeDotsLabs/watermill/message"), "only internal/bus may import"},
		{"watermill in the bus", "internal/bus/x.go", source("bus", "github.com/ThreeDotsLabs/watermill/message"), ""},
		{"sqlx elsewhere", "internal/projection/x.go", source("projection", "github.com/jmoiron/sqlx"), "only internal/readmodel may import"},
		{"a library of tests", "internal/readmodel/x.go", source("readmodel", "pgregory.net/rapid"), "which is for tests"},
		{"a name that only begins alike", "internal/command/x.go", source("command", "github.com/jmoiron/sqlxtra"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			expect(t, check(t, "-- "+tt.path+" --\n"+tt.src), tt.want)
		})
	}
}

func TestCheck_testFilesMayImportMore(t *testing.T) {
	archive := "-- internal/domain/doc.go --\n" + source("domain") +
		"-- internal/domain/x_test.go --\npackage domain_test\nimport _ \"" + module + "/internal/testkit\"\nimport _ \"pgregory.net/rapid\"\n"
	expect(t, check(t, archive), "")
	archive += "import _ \"github.com/jmoiron/sqlx\"\n"
	expect(t, check(t, archive), "only internal/readmodel")
}

func TestCheck_pureLayers(t *testing.T) {
	for _, p := range []string{"context", "database/sql", "log/slog", "net/http", "os", "math/rand/v2", "crypto/rand", "sync/atomic", "github.com/google/uuid"} {
		t.Run(p, func(t *testing.T) {
			expect(t, check(t, "-- internal/domain/x.go --\n"+source("domain", p)), "imports "+p+", and its layer is pure")
		})
	}
	for _, p := range []string{"net/netip", "strings", "time", "github.com/hashicorp/go-version", "golang.org/x/net/idna"} {
		t.Run(p, func(t *testing.T) {
			expect(t, check(t, "-- internal/domain/x.go --\n"+source("domain", p)), "")
		})
	}
	t.Run("events take no library", func(t *testing.T) {
		expect(t, check(t, "-- internal/events/x.go --\n"+source("events", "golang.org/x/net/idna")), "its layer is pure")
	})
	t.Run("the clock", func(t *testing.T) {
		expect(t, check(t, "-- internal/domain/x.go --\n"+source("domain", "time")+"var started = time.Now()\n"), "uses time.Now")
	})
	t.Run("a constant of package time", func(t *testing.T) {
		expect(t, check(t, "-- internal/domain/x.go --\n"+source("domain", "time")+"const day = 24 * time.Hour\n"), "")
	})
}

func TestCheck_packageComment(t *testing.T) {
	tests := []struct{ name, path, src, want string }{
		{"none", "internal/config/x.go", "package config\n", "has 0 package comments"},
		{"says nothing", "internal/config/x.go", "// Package config is for configuration.\npackage config\n", "does not say what it owns"},
		{"names another", "internal/config/x.go", "// Package conf owns and imports.\npackage config\n", `does not begin with "Package config"`},
		{"of a command", "cmd/api/x.go", "// Package main owns and imports.\npackage main\n", "does not begin with the command's name"},
		{"command", "cmd/api/x.go", "// API decides.\npackage main\n", ""},
		{"only outside tests", "internal/e2e/x_test.go", "package e2e_test\n", "_test package only"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expect(t, check(t, "-- "+tt.path+" --\n"+tt.src), tt.want) })
	}
	t.Run("twice", func(t *testing.T) {
		expect(t, check(t, "-- client/a.go --\n"+source("client")+"-- client/b.go --\n"+source("client")), "has 2 package comments")
	})
}

func TestCheck_house(t *testing.T) {
	tests := []struct{ name, path, src, want string }{
		{"a long main", "cmd/api/main.go", "// API decides.\npackage main\n" + strings.Repeat("\n", maxMainLines), "has 42 lines"},
		{"a long file", "client/x.go", source("client") + strings.Repeat("\n", maxFileLines), "a file has at most 500"},
		{"a long generated file", "client/x.go", "// Code generated by x. DO NOT EDIT.\n\n" + source("client") + strings.Repeat("\n", maxFileLines), ""},
		{"init", "client/x.go", source("client") + "func init() {}\n", "has an init function"},
		{"a method named init", "client/x.go", source("client") + "type T int\nfunc (T) init() {}\n", ""},
		{"sleep", "client/x.go", source("client", "time") + "func f() { time.Sleep(1) }\n", "sleeps without a context"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expect(t, check(t, "-- "+tt.path+" --\n"+tt.src), tt.want) })
	}
}

// TestCheck_onlyAbsentSkips: whatever the value is called, in tests and in what
// they are made of; a method of our own by that name is another thing.
func TestCheck_onlyAbsentSkips(t *testing.T) {
	const refused = "skips a test"
	// METHOD stands for the name of the method, so that who searches the tests for
	// skips finds none that is only an example.
	tests := []struct{ name, path, code, want string }{
		{"formatted", "client/x_test.go", "func f(t *testing.T) { t.METHODf(x) }", refused},
		{"at once, under any name", "client/x_test.go", "func f(other *testing.T) { other.METHODNow() }", refused},
		{"under any name", "client/x_test.go", "func f(sub testing.TB) { sub.METHOD(x) }", refused},
		{"through a field", "client/x_test.go", "func f(w world) { w.t.METHOD(x) }", refused},
		{"through a field of any name", "client/x_test.go", "type world struct{ under *testing.T }\nfunc (w world) f() { w.under.METHOD(x) }", refused},
		{"embedded", "client/x_test.go", "type world struct{ *testing.T }\nfunc (w world) f() { w.T.METHOD(x) }", refused},
		{"as a value", "client/x_test.go", "func f(t *testing.T) { stop := t.METHODNow; stop() }", refused},
		{"in what tests are made of", "internal/testkit/x.go", "func f(t testing.TB) { t.METHOD(x) }", refused},
		{"the one that may", "internal/testkit/absent.go", "func Absent(t testing.TB) { t.METHOD(x) }", ""},
		{"something else", "client/x_test.go", "func f(list targets) { list.METHOD(3) }", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := path.Dir(tt.path)
			code := strings.ReplaceAll(tt.code, "METHOD", "Skip")
			expect(t, check(t, "-- "+dir+"/doc.go --\n"+source(path.Base(dir))+
				"-- "+tt.path+" --\npackage "+path.Base(dir)+"\nimport \"testing\"\n"+code+"\n"), tt.want)
		})
	}
}

func TestCheck_passesOverWhatIsNotOfTheModule(t *testing.T) {
	bad := "package bad\nfunc init() {}\n"
	archive := "-- testdata/x.go --\n" + bad + "-- .cache/x.go --\n" + bad + "-- tools/go.mod --\nmodule tools\n-- tools/x.go --\n" + bad
	expect(t, check(t, archive), "")
}

func TestCheck_brokenFileIsAnError(t *testing.T) {
	fsys, err := txtar.FS(txtar.Parse([]byte("-- client/x.go --\npackage\n")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Check(fsys, module, Layers(), Owners()); err == nil || !strings.Contains(err.Error(), "client/x.go") {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

func TestLayers_haveNoCycle(t *testing.T) {
	layers := Layers()
	var visit func(path []string, at string)
	visit = func(path []string, at string) {
		if slices.Contains(path, at) {
			t.Fatalf("a cycle: %s", strings.Join(append(path, at), " → "))
		}
		for _, next := range layers[at].Imports {
			visit(append(slices.Clone(path), at), next)
		}
	}
	for p, l := range layers {
		for _, i := range l.Imports {
			if _, ok := layers[i]; !ok && i != "*" {
				t.Errorf("%s may import %s, which is not on the map", p, i)
			}
		}
		visit(nil, p)
	}
}

func expect(t *testing.T, faults []string, want string) {
	t.Helper()
	switch {
	case want == "" && len(faults) > 0:
		t.Errorf("got faults %q, want none", faults)
	case want != "" && (len(faults) != 1 || !strings.Contains(faults[0], want)):
		t.Errorf("got faults %q, want one with %q", faults, want)
	}
}
