package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestServer_everyLimitIsSet(t *testing.T) {
	s := NewServer(http.NotFoundHandler(), nil)
	for name, d := range map[string]time.Duration{
		"ReadHeaderTimeout": s.ReadHeaderTimeout, "ReadTimeout": s.ReadTimeout, "WriteTimeout": s.WriteTimeout, "IdleTimeout": s.IdleTimeout,
	} {
		if d <= 0 {
			t.Errorf("%s is not set", name)
		}
	}
	if s.MaxHeaderBytes <= 0 || s.MaxHeaderBytes > 64<<10 {
		t.Errorf("MaxHeaderBytes is %d", s.MaxHeaderBytes)
	}
	if longest := awaitTimeout + readTimeout; s.WriteTimeout <= longest || s.ReadTimeout <= longest {
		t.Errorf("a read may take %s, longer than the connection lives", longest)
	}
}

func TestServer_slowHeadersAreGivenUp(t *testing.T) {
	server := NewServer(newAPI(t, forbidden(t), &condition{}), nil)
	server.ReadHeaderTimeout = 100 * time.Millisecond
	conn := dial(t, server)
	fmt.Fprint(conn, "GET /livez HTTP/1.1\r\nHost: local")
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the connection was not closed: %v", err)
	}
}

func TestServer_hugeHeadersAreRefused(t *testing.T) {
	server := NewServer(newAPI(t, forbidden(t), &condition{}), nil)
	conn := dial(t, server)
	fmt.Fprintf(conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n", strings.Repeat("x", 100<<10))
	if a := readAnswer(t, conn); a.Code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", a.Code)
	}
}

// TestServer_optionsOfNothingIsAProblem: "OPTIONS *" is not answered by net/http
// behind our back.
func TestServer_optionsOfNothingIsAProblem(t *testing.T) {
	conn := dial(t, NewServer(newAPI(t, forbidden(t), &condition{}), nil))
	fmt.Fprint(conn, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
	wantProblem(t, readAnswer(t, conn), 404, "not_found", "")
}
