package testkit

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Line is a TCP proxy in front of a server. It loses bytes in one direction or
// both, which is how a connection fails at the worst moment: the order has
// arrived and the answer has not.
type Line struct {
	listener net.Listener
	target   string

	loseRequests atomic.Bool // client → server
	loseAnswers  atomic.Bool // server → client
	lost         atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	wg    sync.WaitGroup
}

// Proxy starts a line to target, a host:port or a NATS URL of one server, and
// closes it when the test ends.
func Proxy(t testing.TB, target string) *Line {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Line{listener: l, target: strings.TrimPrefix(target, "nats://"), conns: map[net.Conn]struct{}{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		err := l.Close()
		p.Cut()
		p.wg.Wait()
		if err != nil {
			t.Error(err)
		}
	})
	return p
}

// URL is the address of the line for a NATS client.
func (p *Line) URL() string { return "nats://" + p.listener.Addr().String() }

// LoseAnswers lets nothing of what the server says reach the client any more.
func (p *Line) LoseAnswers() { p.loseAnswers.Store(true) }

// LoseRequests lets nothing of what the client says reach the server any more.
func (p *Line) LoseRequests() { p.loseRequests.Store(true) }

// Lost is how many bytes were lost so far: a test waits for it to grow.
func (p *Line) Lost() int64 { return p.lost.Load() }

// Cut closes all connections; new ones work in both directions.
func (p *Line) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.loseRequests.Store(false)
	p.loseAnswers.Store(false)
}

func (p *Line) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = struct{}{}, struct{}{}
		p.mu.Unlock()
		p.wg.Go(func() { p.copy(server, client, &p.loseRequests) })
		p.wg.Go(func() { p.copy(client, server, &p.loseAnswers) })
	}
}

// copy forwards bytes as long as lose is false, and drops them while it is true.
// The end of one direction is the end of both.
func (p *Line) copy(to, from net.Conn, lose *atomic.Bool) {
	defer func() {
		_, _ = to.Close(), from.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, to)
		delete(p.conns, from)
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && lose.Load() {
			p.lost.Add(int64(n))
		} else if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil && !errors.Is(err, io.EOF) || n == 0 {
			return
		}
	}
}
