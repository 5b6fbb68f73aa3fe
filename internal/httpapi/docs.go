package httpapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

// swaggerUI is the folder of the embedded version; see docsui/README.md.
const swaggerUI = "swagger-ui-5.35.0"

//go:embed docsui/index.html docsui/init.js docsui/swagger-ui-5.35.0
var docsFiles embed.FS

// docsPolicy lets the page at /docs load what stands beside it and ask this
// server, and nothing else. The images are part of Swagger UI's style sheet.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docsRoutes serves the page at /docs, which shows the OpenAPI document. There
// is nothing at /docs/.
func (a *api) docsRoutes() error {
	files := map[string]string{"/docs": "docsui/index.html", "/docs/init.js": "docsui/init.js"}
	vendored, err := docsFiles.ReadDir("docsui/" + swaggerUI)
	if err != nil {
		return fmt.Errorf("the page at /docs: %w", err)
	}
	for _, f := range vendored {
		files["/docs/"+swaggerUI+"/"+f.Name()] = "docsui/" + swaggerUI + "/" + f.Name()
	}
	for p, file := range files {
		body, err := docsFiles.ReadFile(file)
		if err != nil {
			return fmt.Errorf("the page at /docs: %w", err)
		}
		a.plain(p, newAsset(file, body))
	}
	return nil
}

// asset is a file of a page, which is compressed when somebody first asks for it
// so.
type asset struct {
	contentType, cache, sum string
	body                    []byte
	compressed              func() []byte
}

func newAsset(file string, body []byte) *asset {
	sum := sha256.Sum256(body)
	f := &asset{
		contentType: typeOfFile(file), cache: "no-cache", sum: hex.EncodeToString(sum[:16]), body: body,
		compressed: sync.OnceValue(func() []byte { return compress(body) }),
	}
	if strings.Contains(file, swaggerUI) { // its version is in its path
		f.cache = "public, max-age=31536000, immutable"
	}
	return f
}

func typeOfFile(file string) string {
	switch path.Ext(file) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	}
	return "text/plain; charset=utf-8"
}

func compress(body []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(body) // neither fails into memory
	_ = w.Close()
	return out.Bytes()
}

// ServeHTTP implements http.Handler.
func (f *asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", docsPolicy)
	h.Set("Cache-Control", f.cache)
	h.Set("Content-Type", f.contentType)
	h.Set("Vary", "Accept-Encoding")
	tag, body := f.sum, f.body
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		tag, body = tag+"-gzip", f.compressed()
	}
	h.Set("ETag", strconv.Quote(tag))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// acceptsGzip reports whether Accept-Encoding names gzip with a weight above 0.
func acceptsGzip(r *http.Request) bool {
	for _, one := range strings.Split(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, weight, _ := strings.Cut(one, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		_, q, given := strings.Cut(weight, "=")
		n, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
		return !given || err == nil && n > 0
	}
	return false
}
