package prober

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
)

// The errors of a Remote.
var (
	// ErrNoProber says that no prober is there.
	ErrNoProber = errors.New("prober: no prober is there")
	// ErrNotProbed says that the peer is not one that is probed, or that no prober
	// knows it yet.
	ErrNotProbed = errors.New("prober: the peer is not probed")
	// ErrBusy says that the prober has too much to do to answer in time.
	ErrBusy = errors.New("prober: too much to do")
)

// acceptsIn is how long the owner of a peer may take to say that it is at it.
const acceptsIn = 2 * time.Second

// Remote asks the probers for a look at something, from another process or the
// same.
type Remote struct{ nc *nats.Conn }

// NewRemote returns a Remote on nc, which the caller closes after the last call
// has returned.
func NewRemote(nc *nats.Conn) *Remote { return &Remote{nc} }

// Probe has the owner of a peer probe it now. The report is not before what the
// probe changed has been appended. The error is ctx's, or ErrNoProber,
// ErrNotProbed, ErrBusy.
func (r *Remote) Probe(ctx context.Context, ent events.EnterpriseID, peer events.PeerID) (Report, error) {
	sub, err := r.request(probeSubject+string(ent)+"."+string(peer), nil)
	if err != nil {
		return Report{}, err
	}
	defer func() { _ = sub.Unsubscribe() }() // it only says that the connection is gone
	first, cancel := context.WithTimeout(ctx, acceptsIn)
	defer cancel()
	m, err := next(first, sub)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return Report{}, ErrNotProbed // probers are there, and it is no one's
	}
	if err != nil {
		return Report{}, err
	}
	var a accepted
	if err := json.Unmarshal(m.Data, &a); err != nil || !a.Accepted {
		return Report{}, fmt.Errorf("prober: the answer to a request cannot be read: %.100q", m.Data)
	}
	return report(ctx, sub)
}

// Test has some prober look at a server that is no peer. Nothing is written.
// Errors are those of Probe.
func (r *Remote) Test(ctx context.Context, hostname string, port int) (Report, error) {
	data, err := json.Marshal(test{hostname, port})
	if err != nil {
		return Report{}, fmt.Errorf("prober: %w", err)
	}
	sub, err := r.request(testSubject, data)
	if err != nil {
		return Report{}, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	return report(ctx, sub)
}

// request publishes a request whose answers come on the subscription.
func (r *Remote) request(subject string, data []byte) (*nats.Subscription, error) {
	inbox := nats.NewInbox()
	sub, err := r.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("prober: %w", err)
	}
	if err := r.nc.PublishRequest(subject, inbox, data); err != nil {
		return nil, errors.Join(fmt.Errorf("prober: %w", err), sub.Unsubscribe())
	}
	return sub, nil
}

func next(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	m, err := sub.NextMsgWithContext(ctx)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, ErrNoProber
	case err != nil:
		return nil, fmt.Errorf("prober: %w", err)
	}
	return m, nil
}

func report(ctx context.Context, sub *nats.Subscription) (Report, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxLook+time.Second, ErrBusy)
	defer cancel()
	var out struct {
		Report
		accepted
	}
	for out.Accepted = true; out.Accepted; { // while peers are shared out anew, two may be at it
		m, err := next(ctx, sub)
		if err != nil {
			if errors.Is(context.Cause(ctx), ErrBusy) {
				return Report{}, ErrBusy
			}
			return Report{}, err
		}
		out.Report, out.Accepted = Report{}, false
		if err := json.Unmarshal(m.Data, &out); err != nil {
			return Report{}, fmt.Errorf("prober: the answer to a request cannot be read: %w", err)
		}
	}
	switch out.Error {
	case errNotProbed:
		return Report{}, ErrNotProbed
	case errBusy:
		return Report{}, ErrBusy
	}
	return out.Report, nil
}
