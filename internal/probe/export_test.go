package probe

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Dial lets a test connect past the check of what a name resolved to, so that
// the one at the socket is left alone.
func (p *Probe) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	return p.dial(ctx, to, time.Second)
}

// ErrForbidden is how that check refuses.
var ErrForbidden = errForbidden
