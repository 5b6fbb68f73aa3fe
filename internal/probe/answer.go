package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/peering/peering/internal/events"
)

// mostInformational is how many answers that are none yet (1xx) are read past.
const mostInformational = 5

var errTooLarge = errors.New("probe: more than was asked for")

// ask sends one request and reads the answer. Any answer but a server error is
// good; where it redirects to is not looked at.
func (l *look) ask(ctx context.Context, conn *tls.Conn) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, l.limits.HTTP)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	in := &bounded{from: conn, left: l.limits.Header}
	answer, err := l.exchange(conn, in)
	if err != nil {
		l.unheard(began, in, err)
		return
	}
	defer func() {
		in.left = 0 // closing reads what is left, and that may never come
		_ = answer.Body.Close()
	}()
	l.result.Latency = time.Since(l.dialled)
	if answer.StatusCode >= http.StatusInternalServerError {
		l.failed(began, cause(events.LayerHTTP, codeServerError, "The server answered with the error %d.", answer.StatusCode))
		return
	}
	if answer.StatusCode == http.StatusOK {
		in.left = l.limits.Body
		// Whatever ends the body, what has come of it is what there is.
		body, _ := io.ReadAll(io.LimitReader(answer.Body, int64(l.limits.Body)))
		l.result.Version = l.rule.find(body)
	}
	l.passed(began, events.LayerHTTP, "The server answered with "+strconv.Itoa(answer.StatusCode)+".")
}

// exchange writes the request and reads the header of the answer.
func (l *look) exchange(conn net.Conn, in *bounded) (*http.Response, error) {
	if _, err := io.WriteString(conn, l.request()); err != nil {
		in.err = err
		return nil, err
	}
	r := bufio.NewReader(in)
	for range mostInformational {
		answer, err := http.ReadResponse(r, &http.Request{Method: http.MethodGet})
		if err != nil || answer.StatusCode >= http.StatusOK || answer.StatusCode == http.StatusSwitchingProtocols {
			return answer, err
		}
	}
	return nil, errTooLarge
}

func (l *look) request() string {
	host := l.host
	if l.port != 443 {
		host = net.JoinHostPort(l.host, strconv.Itoa(l.port))
	}
	return "GET " + l.rule.path + " HTTP/1.1\r\nHost: " + host +
		"\r\nUser-Agent: peering-prober\r\nAccept: */*\r\nConnection: close\r\n\r\n"
}

// unheard notes that there is no answer. From TLS 1.3 on it is only now that a
// server says it wanted a certificate of ours: then the handshake was not what
// it seemed.
func (l *look) unheard(began time.Time, in *bounded, err error) {
	if in.left == l.limits.Header && l.turnedAway(in.err) {
		l.result.Steps = l.result.Steps[:len(l.result.Steps)-1]
		l.failed(l.shaken, clientWanted())
		return
	}
	l.failed(began, unanswered(in.err, err))
}

// unanswered tells why there is no answer: transport is how reading or writing
// ended, if it did; otherwise what was read is at fault.
func unanswered(transport, err error) events.Cause {
	switch {
	case errors.Is(transport, errTooLarge), errors.Is(err, errTooLarge):
		return cause(events.LayerHTTP, codeTooLarge, "The header of the server's answer has no end.")
	case timedOut(transport):
		return cause(events.LayerHTTP, codeTimeout, "The server took the request, but did not answer in time.")
	case transport != nil:
		return cause(events.LayerHTTP, codeClosed, "The server ended the connection instead of answering.")
	default:
		return cause(events.LayerHTTP, codeMalformed, "What the server answered is not HTTP.")
	}
}

// bounded reads at most left bytes, and remembers how reading ended.
type bounded struct {
	from io.Reader
	left int
	err  error
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.err = errTooLarge
		return 0, b.err
	}
	n, err := b.from.Read(p[:min(len(p), b.left)])
	b.left -= n
	if err != nil {
		b.err = err
	}
	return n, err
}
