package eventstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/peering/peering/internal/events"
)

// Parked keeps parked commands in the stream ParkedStream. EnsureBus must have
// succeeded before it is used. It is safe for concurrent use, and each call but
// List ends within five seconds.
type Parked struct {
	wire
	pub *publisher

	mu   sync.Mutex
	room int64     // bytes that may be parked: the leader's word less what was parked since
	kept int64     // of these, those that are for what asks for KeepWhole
	till time.Time // room counts until then
}

// NewParked returns the parked commands on nc, which the caller closes after the
// last call has returned.
func NewParked(nc *nats.Conn) (*Parked, error) {
	pub, err := newPublisher(nc)
	if err != nil {
		return nil, err
	}
	return &Parked{wire: wire{nc: nc, stream: ParkedStream}, pub: pub}, nil
}

// Park puts a command aside. The same message of the queue parked again at once
// is not doubled. An error wraps ErrFull (no room: nothing was written),
// ErrNoStream or ErrUnavailable (perhaps written; repeat the call). It refuses
// before the stream is quite full, so that decisions find room; and earlier what
// does not ask for KeepWhole, so that it cannot keep out what does.
func (p *Parked) Park(ctx context.Context, c ParkedCommand) (events.Seq, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, budget, ErrUnavailable)
	defer cancel()
	m := p.message(&c)
	if err := p.take(ctx, sizeOf([]*nats.Msg{m}), c.KeepWhole); err != nil {
		return 0, fmt.Errorf("park a command: %w", err)
	}
	seq, err := p.publish(ctx, p.pub, true, m)
	if err != nil {
		return 0, fmt.Errorf("park a command: %w", err)
	}
	return seq, nil
}

// message is the command as it is stored.
func (p *Parked) message(c *ParkedCommand) *nats.Msg {
	m := &nats.Msg{Subject: parkedSubject(c), Header: parkedHeader(c), Data: c.Body}
	m.Header.Set(jetstream.MsgIDHeader, parkedID(c))
	if !c.KeepWhole {
		m.Data = m.Data[:min(len(m.Data), parkedBody)]
	}
	payload := p.nc.MaxPayload()
	if payload <= 0 { // not connected yet
		payload = 1 << 20
	}
	overhead := sizeOf([]*nats.Msg{{Subject: m.Subject, Header: m.Header}})
	m.Data = m.Data[:min(int64(len(m.Data)), max(payload-overhead, 0))]
	return m
}

// parkedID is the same for the same message of the queue. The queue may have
// been made again and count from one: what the message says is part of it.
func parkedID(c *ParkedCommand) string {
	if c.Source == 0 {
		return nuid.Next()
	}
	hash := sha256.New()
	for _, part := range [][]byte{[]byte(c.Tail), []byte(c.CommandID), c.Body} {
		_, _ = fmt.Fprintf(hash, "%d:", len(part))
		_, _ = hash.Write(part)
	}
	return strconv.FormatUint(uint64(c.Source), 10) + "-" + hex.EncodeToString(hash.Sum(nil)[:16])
}

const (
	// parkedShare is how much of the stream, in percent, parked commands may
	// take; the rest is for decisions.
	parkedShare = 95
	// garbageShare is how much is taken when what cannot be tried again finds no
	// room any more: however much of it there is, what may take effect does.
	garbageShare = 80
	// roomLasts is for how long the leader's word about the room counts.
	roomLasts = time.Second
)

// take claims so many bytes of the stream for a command that is dear, or not.
func (p *Parked) take(ctx context.Context, need int64, dear bool) error {
	if !p.knowsRoom() {
		st, err := p.state(ctx)
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.room = st.Config.MaxBytes/100*parkedShare - int64(st.State.Bytes)
		p.kept = st.Config.MaxBytes / 100 * (parkedShare - garbageShare)
		p.till = time.Now().Add(roomLasts)
		p.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	room := p.room
	if !dear {
		room -= p.kept
	}
	if room < need {
		return fmt.Errorf("%w: %s", ErrFull, p.stream)
	}
	p.room -= need
	return nil
}

func (p *Parked) knowsRoom() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Before(p.till)
}

// Get returns one, decided about or not. The error is ErrNoParked, or wraps
// ErrUnavailable or ErrNoStream.
func (p *Parked) Get(ctx context.Context, seq events.Seq) (ParkedCommand, error) {
	c, _, err := p.find(ctx, seq)
	return c, err
}

// find returns a parked command with what was decided about it. there says that
// it was not taken away yet.
func (p *Parked) find(ctx context.Context, seq events.Seq) (c ParkedCommand, there bool, err error) {
	if seq == 0 {
		return ParkedCommand{}, false, ErrNoParked
	}
	ctx, cancel := context.WithTimeoutCause(ctx, budget, ErrUnavailable)
	defer cancel()
	m, ok, err := p.wire.message(ctx, get{Seq: seq})
	if err != nil {
		return ParkedCommand{}, false, err
	}
	anyone := "*"
	if there = ok && isParked(m.Subject); there {
		c, _ = parsedParked(m)
		anyone = enterpriseToken(c.Enterprise)
	}
	m, ok, err = p.wire.message(ctx, get{LastFor: decidedSubject(anyone, seq)})
	if err != nil {
		return ParkedCommand{}, false, err
	}
	d, isOne := parsedParked(m)
	switch ok = ok && isOne; {
	case there && ok:
		c.Decision = d.Decision
	case ok:
		c, c.Settled = d, true // to take it away is the last step but one of Settle
	case !there:
		return ParkedCommand{}, false, ErrNoParked
	}
	return c, there, nil
}

// List returns parked commands, without their bodies, in the order in which they
// were parked or decided about.
func (p *Parked) List(ctx context.Context, q ParkedQuery) ([]ParkedCommand, error) {
	after, err := p.place(ctx, q)
	if err != nil {
		return nil, err
	}
	filter := q.filter()
	end, err := p.last(ctx, filter)
	if err != nil || end <= after {
		return nil, err
	}
	limit := q.Limit
	if limit <= 0 || limit > MaxParkedPage {
		limit = MaxParkedPage
	}
	var list []ParkedCommand
	from := p.wire
	from.headersOnly = true
	err = from.upTo(ctx, filter, after, end, end, func(m events.Message) error {
		c, ok := parsedParked(m)
		if c.Body = nil; ok {
			list = append(list, c)
		}
		if len(list) == limit {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return list, nil
}

// errEnough ends a reading.
var errEnough = errors.New("eventstore: enough")

// filter matches what the query asks for.
func (q ParkedQuery) filter() string {
	ent := "*"
	if q.Enterprise != "" {
		ent = enterpriseToken(q.Enterprise)
	}
	if q.Decided {
		return decidedRoot + ent + ".*"
	}
	return parkedRoot + ent + ".*"
}

// place is the sequence in the stream behind which the answer to the query
// begins. A decision that is forgotten was before all that are left.
func (p *Parked) place(ctx context.Context, q ParkedQuery) (events.Seq, error) {
	if !q.Decided || q.After == 0 {
		return q.After, nil
	}
	return p.last(ctx, decidedSubject("*", q.After))
}
