package httpapi

import (
	"fmt"
	"io"
	"net"
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

// TestServer_slowBodiesAreGivenUp: a caller who has a right does not hold a
// connection by sending a byte now and then either.
func TestServer_slowBodiesAreGivenUp(t *testing.T) {
	server := NewServer(newAPI(t, forbidden(t), &condition{}), nil)
	server.ReadTimeout = 200 * time.Millisecond
	conn := dial(t, server)
	fmt.Fprint(conn, "POST /api/v1/enterprises/acme/peers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
	tick, stop := time.NewTicker(20*time.Millisecond), make(chan struct{})
	defer tick.Stop()
	dribbled := make(chan struct{})
	go func() {
		defer close(dribbled)
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if _, err := fmt.Fprint(conn, " "); err != nil {
					return
				}
			}
		}
	}()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(conn)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() { //nolint:errorlint // of the connection itself
		t.Error("the connection was not closed")
	}
	if len(text) > 0 && !strings.HasPrefix(string(text), "HTTP/1.1 4") {
		t.Errorf("got %s", text)
	}
	close(stop)
	<-dribbled
}

// TestServer_hugeBodiesAreRefused without being read to their end.
func TestServer_hugeBodiesAreRefused(t *testing.T) {
	server := NewServer(newAPI(t, forbidden(t), &condition{}), nil)
	for _, header := range []string{"Content-Length: 1000000000", "Transfer-Encoding: chunked"} {
		conn := dial(t, server)
		fmt.Fprintf(conn, "POST /api/v1/tokens HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s\r\n\r\n", header)
		piece := strings.Repeat(" ", 64<<10)
		if strings.HasPrefix(header, "Transfer") {
			piece = fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece)
		}
		go func() {
			for {
				if _, err := io.WriteString(conn, piece); err != nil {
					return
				}
			}
		}()
		wantProblem(t, readAnswer(t, conn), 413, codeTooLarge, "")
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
