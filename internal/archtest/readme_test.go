package archtest

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/peering/peering/internal/config"
)

var update = flag.Bool("update", false, "write the table of settings into the README")

const (
	settingsBegin = "<!-- settings: written by \"go test ./internal/archtest -update\" -->\n"
	settingsEnd   = "<!-- end of settings -->\n"
)

// settingsTable is the README's table of everything that can be configured.
func settingsTable() string {
	var b strings.Builder
	b.WriteString("| In the file | Environment | Flag | Default | What it is | Programs |\n|---|---|---|---|---|---|\n")
	for _, s := range config.Settings() {
		flag, def := "", ""
		if s.Flag != "" {
			flag = "`--" + s.Flag + "`"
		}
		if s.Default != "" {
			def = "`" + s.Default + "`"
		}
		programs := "all"
		if len(s.Roles) < len(config.Roles()) {
			names := make([]string, len(s.Roles))
			for i, r := range s.Roles {
				names[i] = string(r)
			}
			programs = strings.Join(names, ", ")
		}
		help := strings.ReplaceAll(s.Help, "|", `\|`)
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s | %s |\n", s.Key, s.Env, flag, def, help, programs)
	}
	return b.String()
}

func TestREADME_listsEverySetting(t *testing.T) {
	path := filepath.Join(root, "README.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), settingsBegin)
	got, after, ok2 := strings.Cut(rest, settingsEnd)
	if !ok || !ok2 {
		t.Fatal("the README has no place for the settings")
	}
	want := settingsTable()
	if got == want {
		return
	}
	if !*update {
		t.Fatalf("the README's settings are not those of the program; write them with: go test ./internal/archtest -update\ngot:\n%s\nwant:\n%s", got, want)
	}
	if err := os.WriteFile(path, []byte(before+settingsBegin+want+settingsEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDeadLinks_areFound(t *testing.T) {
	archive := "-- a.md --\n[gone](b/gone.md) [there](b/there.md#part) [web](https://x.example/y) `T[r](r, 1)`\n" +
		"-- b/there.md --\n[up](../a.md)\n-- c.go --\n// see ADR 0001 and ADR 0002\n-- docs/adr/0001-x.md --\n"
	fsys, err := txtar.FS(txtar.Parse([]byte(archive)))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a.md: links to b/gone.md, which is not there", "c.go: refers to ADR 0002, of which there are 0"}
	if got := deadLinks(t, fsys); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A link that leads nowhere is found before a reader finds it.
func TestDocuments_linksLeadSomewhere(t *testing.T) {
	for _, fault := range deadLinks(t, os.DirFS(root)) {
		t.Error(fault)
	}
}

var (
	link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	code = regexp.MustCompile("(?s)```.*?```|`[^`]*`")
	// adr is a decision that a text refers to by its number.
	adr = regexp.MustCompile(`ADR (\d{4})`)
)

// deadLinks lists relative links to files that do not exist and numbers of
// decisions that were not written, in Markdown and Go files.
func deadLinks(t *testing.T, fsys fs.FS) []string {
	t.Helper()
	var faults []string
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.IsDir() && name != "." && foreign(fsys, name) {
				return fs.SkipDir
			}
			return err
		}
		ext := filepath.Ext(name)
		if ext != ".md" && ext != ".go" {
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		if ext == ".md" {
			for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(string(text), ""), -1) {
				if _, err := fs.Stat(fsys, filepath.ToSlash(filepath.Join(filepath.Dir(name), m[1]))); err != nil {
					faults = append(faults, fmt.Sprintf("%s: links to %s, which is not there", name, m[1]))
				}
			}
		}
		for _, m := range adr.FindAllStringSubmatch(string(text), -1) {
			if found, err := fs.Glob(fsys, "docs/adr/"+m[1]+"-*.md"); err != nil || len(found) != 1 {
				faults = append(faults, fmt.Sprintf("%s: refers to ADR %s, of which there are %d", name, m[1], len(found)))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return faults
}

// Every package on the way of a command is named where newcomers look first.
func TestREADME_namesEveryPackageOfTheFlow(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for path, layer := range Layers() {
		if layer.Support || strings.Contains(path, "*") {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			continue // on the map, not in the tree
		}
		if !strings.Contains(string(text), filepath.Base(path)) {
			t.Errorf("the README does not name %s", path)
		}
	}
}
