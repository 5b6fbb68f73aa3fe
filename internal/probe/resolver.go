package probe

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// newResolver returns a resolver that leaves nothing behind when the time for an
// answer is over: that of the C library holds a thread until it gives up, and
// Go's own waits for a silent server behind the caller's back. No server has more
// than try for one answer, so that a lost packet or a dead server leaves time to
// ask again, or another. It counts in shortages what failed for want of
// something here, which its errors hide.
func newResolver(from *net.Resolver, try time.Duration, shortages *atomic.Int64) *net.Resolver {
	dial := new(net.Dialer).DialContext
	if from != nil && from.Dial != nil {
		dial = from.Dial
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		until := time.Now().Add(try)
		brief, cancel := context.WithDeadline(ctx, until)
		defer cancel()
		conn, err := dial(brief, network, address)
		if err != nil {
			if short(err) {
				shortages.Add(1)
			}
			return nil, err
		}
		context.AfterFunc(ctx, func() { _ = conn.Close() })
		return limit(conn, until)
	}}
}

// limit makes conn one on which nothing takes longer than until.
func limit(conn net.Conn, until time.Time) (net.Conn, error) {
	limited := limitedConn{conn, until}
	if err := limited.SetDeadline(time.Time{}); err != nil {
		_ = conn.Close()
		return nil, err
	}
	// The resolver tells by this interface how a message is framed.
	if packets, ok := conn.(net.PacketConn); ok {
		return limitedPackets{limited, packets}, nil
	}
	return limited, nil
}

// limitedConn can be given less time, but not more.
type limitedConn struct {
	net.Conn
	until time.Time
}

func (c limitedConn) SetDeadline(t time.Time) error     { return c.Conn.SetDeadline(c.earlier(t)) }
func (c limitedConn) SetReadDeadline(t time.Time) error { return c.Conn.SetReadDeadline(c.earlier(t)) }

func (c limitedConn) SetWriteDeadline(t time.Time) error {
	return c.Conn.SetWriteDeadline(c.earlier(t))
}

func (c limitedConn) earlier(t time.Time) time.Time {
	if t.IsZero() || t.After(c.until) {
		return c.until
	}
	return t
}

type limitedPackets struct {
	limitedConn
	packets net.PacketConn
}

func (c limitedPackets) ReadFrom(p []byte) (int, net.Addr, error) { return c.packets.ReadFrom(p) }

func (c limitedPackets) WriteTo(p []byte, to net.Addr) (int, error) { return c.packets.WriteTo(p, to) }
