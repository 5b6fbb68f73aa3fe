package httpapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

const docsBundle = "/docs/" + swaggerUI + "/swagger-ui-bundle.js"

// docsPaths are all that the page consists of.
func docsPaths(t testing.TB) []string {
	t.Helper()
	paths := []string{"/docs", "/docs/init.js"}
	files, err := fs.Glob(docsFiles, "docsui/"+swaggerUI+"/*")
	if err != nil || len(files) != 5 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		paths = append(paths, strings.Replace(f, "docsui/", "/docs/", 1))
	}
	return paths
}

// TestDocs_theVendoredFilesAreThoseOfTheTable: nobody changed them, and the
// table names the version and every file.
func TestDocs_theVendoredFilesAreThoseOfTheTable(t *testing.T) {
	readme, err := os.ReadFile("docsui/README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `([0-9a-f]{64})` \\|$").FindAllSubmatch(readme, -1)
	if len(rows) != len(docsPaths(t))-2 {
		t.Errorf("the table has %d files, there are %d", len(rows), len(docsPaths(t))-2)
	}
	for _, row := range rows {
		body, err := docsFiles.ReadFile("docsui/" + swaggerUI + "/" + string(row[1]))
		if err != nil {
			t.Error(err)
			continue
		}
		if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != string(row[2]) {
			t.Errorf("%s has the sum %x, the table says %s", row[1], sum, row[2])
		}
	}
	version := strings.TrimPrefix(swaggerUI, "swagger-ui-")
	if !bytes.Contains(readme, []byte("swagger-ui-dist) "+version+" ")) {
		t.Errorf("the table is not of version %s", version)
	}
}

func TestDocs_isServedUnderAPolicyThatLoadsNothingFromElsewhere(t *testing.T) {
	h := newAPI(t, commandsFunc(accept), &condition{})
	for _, path := range docsPaths(t) {
		a := ask(h, "GET", path, "")
		policy := a.Header.Get("Content-Security-Policy")
		if a.Code != 200 || !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; ") || strings.Contains(policy, "http") {
			t.Errorf("%s: status %d, policy %q", path, a.Code, policy)
		}
		if a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Content-Type") == "" || a.Header.Get("ETag") == "" {
			t.Errorf("%s: headers %v", path, a.Header)
		}
		if immutable := strings.Contains(a.Header.Get("Cache-Control"), "immutable"); immutable != strings.Contains(path, swaggerUI) {
			t.Errorf("%s: Cache-Control %q", path, a.Header.Get("Cache-Control"))
		}
	}
	if got := ask(h, "GET", "/openapi.json", "").Header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'; frame") {
		t.Errorf("what is not a page has the policy %q", got)
	}
}

// TestDocs_thePageNamesFilesThatAreThere: and no scripts or handlers of its own,
// which the policy would stop.
func TestDocs_thePageNamesFilesThatAreThere(t *testing.T) {
	h := newAPI(t, commandsFunc(accept), &condition{})
	page := ask(h, "GET", "/docs", "")
	names := regexp.MustCompile(`(?:src|href)="([^":]+)"`).FindAllStringSubmatch(page.Body, -1)
	if len(names) != 4 {
		t.Errorf("the page names %v", names)
	}
	for _, name := range names {
		if a := ask(h, "GET", "/"+name[1], ""); a.Code != 200 {
			t.Errorf("%s: status %d", name[1], a.Code)
		}
	}
	if regexp.MustCompile(`(?i)<script>|<style|\son[a-z]+=|\sstyle=|https?://`).MatchString(page.Body) {
		t.Errorf("the page has something inline or foreign: %s", page.Body)
	}
	script := ask(h, "GET", "/docs/init.js", "").Body
	for _, want := range []string{`url: "openapi.json"`, "validatorUrl: null", "persistAuthorization: false"} {
		if !strings.Contains(script, want) {
			t.Errorf("the script lacks %s", want)
		}
	}
}

func TestDocs_isCompressedForThoseWhoTakeIt(t *testing.T) {
	h := newAPI(t, commandsFunc(accept), &condition{})
	plain := ask(h, "GET", docsBundle, "")
	tags := map[string]bool{plain.Header.Get("ETag"): true}
	for accepted, want := range map[string]bool{
		"gzip": true, "br, gzip;q=0.5": true, "GZIP": true, "gzip;q=0": false, "gzip; q=0.0": false, "br": false, "x-gzip": false, "gzip;q=x": false,
	} {
		a := ask(h, "GET", docsBundle, "", "Accept-Encoding", accepted)
		zipped := a.Header.Get("Content-Encoding") == "gzip"
		if a.Code != 200 || zipped != want || a.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: status %d, headers %v", accepted, a.Code, a.Header)
		}
		body := a.Body
		if zipped {
			tags[a.Header.Get("ETag")] = true
			r, err := gzip.NewReader(strings.NewReader(a.Body))
			if err != nil {
				t.Fatal(err)
			}
			whole, err := io.ReadAll(r)
			if err != nil || len(a.Body) > len(whole)/2 {
				t.Errorf("%d bytes of %d, %v", len(a.Body), len(whole), err)
			}
			body = string(whole)
		}
		if body != plain.Body {
			t.Errorf("Accept-Encoding %q: another file", accepted)
		}
	}
	if len(tags) != 2 {
		t.Errorf("the ETags are %v", tags)
	}
	for tag := range tags {
		accepted := "identity"
		if strings.HasSuffix(tag, `-gzip"`) {
			accepted = "gzip"
		}
		if a := ask(h, "GET", docsBundle, "", "If-None-Match", tag, "Accept-Encoding", accepted); a.Code != 304 || a.Body != "" {
			t.Errorf("If-None-Match %s: status %d with %d bytes", tag, a.Code, len(a.Body))
		}
	}
}

func TestDocs_whatIsNotThereIsNotFound(t *testing.T) {
	h := newAPI(t, commandsFunc(accept), &condition{})
	for _, path := range []string{"/docs/", "/docs/index.html", docsBundle + ".map", "/docs/" + swaggerUI, "/docs/" + swaggerUI + "/"} {
		wantProblem(t, ask(h, "GET", path, ""), 404, "not_found", "")
	}
	wantProblem(t, ask(h, "POST", "/docs", "{}"), 405, codeMethodNotAllowed, "")
	if a := ask(h, "HEAD", "/docs", ""); a.Code != 200 {
		t.Errorf("HEAD: status %d", a.Code)
	}
}
