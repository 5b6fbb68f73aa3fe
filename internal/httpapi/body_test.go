package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
)

// TestBody_hostileBodiesAreRefused: none of them reaches the write loop.
func TestBody_hostileBodiesAreRefused(t *testing.T) {
	const valid = `"type":"external","description":"x"`
	bodies := map[string]string{
		"nothing":              ``,
		"only blanks":          "  \n",
		"not JSON":             `type=external`,
		"cut off":              `{"type":"external"`,
		"two values":           `{` + valid + `}{}`,
		"a comma too many":     `{` + valid + `,}`,
		"an array":             `[{` + valid + `}]`,
		"a text":               `"x"`,
		"null":                 `null`,
		"an unknown field":     `{` + valid + `,"colour":"red"}`,
		"a field in capitals":  `{"TYPE":"external","description":"x"}`,
		"a field twice":        `{` + valid + `,"type":"micollab"}`,
		"a number as text":     `{` + valid + `,"port":"443"}`,
		"a text as number":     `{"type":"external","description":1}`,
		"a port of 1.5":        `{` + valid + `,"port":1.5}`,
		"a port of 1e400":      `{` + valid + `,"port":1e400}`,
		"an object as text":    `{"type":"external","description":{"a":1}}`,
		"deep nesting":         `{"description":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`,
		"deep objects":         strings.Repeat(`{"a":`, 50_000) + "1" + strings.Repeat("}", 50_000),
		"invalid UTF-8":        "{\"type\":\"external\",\"description\":\"K\xf6ln\"}",
		"a raw control":        "{\"type\":\"external\",\"description\":\"a\x01b\"}",
		"an escaped control":   `{"type":"external","description":"a\u0000b"}`,
		"half a surrogate":     `{"type":"external","description":"\ud800"}`,
		"a byte order mark":    "\ufeff{" + valid + "}",
		"comments":             `{` + valid + ` /* x */}`,
		"a NaN":                `{` + valid + `,"port":NaN}`,
		"thousands of unknown": `{"a":1` + strings.Repeat(`,"b":2`, 20_000) + `}`,
	}
	h := newAPI(t, forbidden(t), &condition{})
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			a := ask(h, "POST", "/api/v1/enterprises/acme/peers", body, "Content-Type", "application/json")
			p := into[Problem](t, a)
			if a.Code != 400 && a.Code != 422 || a.Header.Get("Content-Type") != problemType || p.Detail == "" {
				t.Errorf("status %d: %.300s", a.Code, a.Body)
			}
			if len(a.Body) > 2000 {
				t.Errorf("the answer has %d bytes", len(a.Body))
			}
		})
	}
}

func TestBody_limitIsOneMebibyte(t *testing.T) {
	fits := `{"type":"external","description":"x"}` + strings.Repeat(" ", command.MaxBody-38)
	h := newAPI(t, commandsFunc(accept), &condition{})
	if a := ask(h, "POST", "/api/v1/enterprises/acme/peers", fits); a.Code != 201 {
		t.Errorf("a body of %d bytes: status %d: %s", len(fits), a.Code, a.Body)
	}
	h = newAPI(t, forbidden(t), &condition{})
	for _, w := range writes() {
		a := ask(h, w.method, w.path, strings.Repeat(" ", command.MaxBody+1))
		wantProblem(t, a, 413, codeTooLarge, "")
		if a.Header.Get("Connection") != "close" {
			t.Error("the connection stays open for the rest")
		}
	}
}

func TestBody_limitHoldsWithoutAContentLength(t *testing.T) {
	r := newWrite(io.MultiReader(strings.NewReader(`{"description":"`), endless{}))
	wantProblem(t, send(newAPI(t, forbidden(t), &condition{}), r), 413, codeTooLarge, "")
}

// endless is a reader that never ends.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

func newWrite(body io.Reader) *http.Request {
	r, err := http.NewRequest("POST", "http://localhost/api/v1/enterprises/acme/peers", body)
	if err != nil {
		panic(err)
	}
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("Content-Type", "application/json")
	return r
}

func TestBody_mediaTypeMustBeJSON(t *testing.T) {
	body := `{"type":"external","description":"x"}`
	const peers, peer = "/api/v1/enterprises/acme/peers", "/api/v1/enterprises/acme/peers/p1"
	h := newAPI(t, commandsFunc(accept), &condition{})
	for _, ok := range []string{"application/json", "Application/JSON", "application/json; charset=utf-8", `application/json;charset="UTF-8"`} {
		if a := ask(h, "POST", peers, body, "Content-Type", ok); a.Code != 201 {
			t.Errorf("%q: status %d: %s", ok, a.Code, a.Body)
		}
	}
	if a := ask(h, "PATCH", peer, `{}`, "Content-Type", "application/merge-patch+json"); a.Code != 200 {
		t.Errorf("merge patch: status %d: %s", a.Code, a.Body)
	}
	h = newAPI(t, forbidden(t), &condition{})
	for _, bad := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16", "application/merge-patch+json", "application/xml", "json", ";", "application/json; charset", ""} {
		wantProblem(t, ask(h, "POST", peers, body, "Content-Type", bad), 415, codeMediaType, "Content-Type")
	}
	wantProblem(t, ask(h, "POST", peers, body, "Content-Encoding", "gzip"), 415, codeMediaType, "Content-Encoding")
	wantProblem(t, ask(h, "POST", peers, body, "Content-Encoding", "identity", "Content-Encoding", "gzip"), 400, domain.Malformed, "Content-Encoding")
	wantProblem(t, ask(h, "PATCH", peer, body, "Content-Type", "application/json-patch+json"), 415, codeMediaType, "Content-Type")
}

func TestBody_bodylessCommandsTakeNoBody(t *testing.T) {
	h := newAPI(t, forbidden(t), &condition{})
	for _, w := range writes() {
		if len(w.body) > 2 {
			continue
		}
		a := ask(h, w.method, w.path, `{"description":"x"}`)
		wantProblem(t, a, 400, domain.Malformed, "description")
	}
}

// TestBody_thatNeverEndsIsGivenUp speaks to a real server: the sender says that
// more is to come, and falls silent, or closes.
func TestBody_thatNeverEndsIsGivenUp(t *testing.T) {
	for _, c := range []struct {
		name, head string
		closes     bool
		status     int
		code       domain.Code
	}{
		{"a length that is not reached", "Content-Length: 100", false, 408, codeTimeout},
		{"chunks without an end", "Transfer-Encoding: chunked", false, 408, codeTimeout},
		{"a sender that closes", "Content-Length: 100", true, 400, domain.Malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := NewServer(newAPI(t, forbidden(t), &condition{}), nil)
			server.ReadTimeout = 100 * time.Millisecond
			conn := dial(t, server)
			fmt.Fprintf(conn, "POST /api/v1/enterprises/acme/peers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s\r\n\r\n", c.head)
			if strings.Contains(c.head, "chunked") {
				fmt.Fprint(conn, "5\r\n{\"typ\r\n")
			}
			if c.closes {
				if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			wantProblem(t, readAnswer(t, conn), c.status, c.code, "")
		})
	}
}

// dial serves on a free port of loopback until the test ends, and connects.
func dial(t *testing.T, server *http.Server) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		_ = server.Close()
		<-done
	})
	return conn
}

func readAnswer(t *testing.T, conn net.Conn) answer {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}
