package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// DefaultBusTimeout bounds one try of a request over the bus; the server gives
// up on its own before that.
const DefaultBusTimeout = 8 * time.Second

// Where the bus is spoken to, and what travels with a command there.
const (
	commandsRoot = "peering.commands."
	requestsRoot = "peering.rpc."
	outcomesRoot = "peering.outcomes." // where outcomes are published
	lookupRoot   = "peering.outcome."  // where one is asked for

	busCommandID   = "Command-Id"
	busTraceparent = "traceparent"

	maxCommandID = 128
)

// Bus gives commands over NATS: published, so that they are carried out sooner or
// later whatever happens, or as requests, which are answered at once. It is safe
// for concurrent use, and works on after a lost connection.
type Bus struct {
	nc      *nats.Conn
	own     bool
	timeout time.Duration
}

// BusOption changes how a Bus works.
type BusOption func(*Bus)

// WithBusTimeout bounds one try.
func WithBusTimeout(d time.Duration) BusOption { return func(b *Bus) { b.timeout = d } }

// NewBus returns a bus on nc, which stays the caller's. nc should have been made
// with nats.ReconnectBufSize(-1), as ConnectBus does: otherwise what is given
// during an outage is sent after it, when its caller may have given up.
func NewBus(nc *nats.Conn, opts ...BusOption) (*Bus, error) {
	if nc == nil {
		return nil, errors.New("client: there is no connection")
	}
	b := &Bus{nc: nc, timeout: DefaultBusTimeout}
	for _, o := range opts {
		o(b)
	}
	return b, nil
}

// ConnectBus connects to NATS servers, such as nats://127.0.0.1:4222, and goes on
// trying for ever, in the background and after each outage. An error says what is
// wrong with the URL or the options. Close ends the connection.
func ConnectBus(url string, opts ...nats.Option) (*Bus, error) {
	nc, err := nats.Connect(url, append([]nats.Option{
		nats.Name("peering-client"),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // a user may be put back into the accounts of the server
		nats.ReconnectBufSize(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
	}, opts...)...)
	if err != nil {
		return nil, errors.New("client: " + printable(err.Error()))
	}
	b, err := NewBus(nc)
	if err != nil {
		return nil, err
	}
	b.own = true
	return b, nil
}

// Close ends a connection that ConnectBus has made; calls that are under way
// return an error, an *UnknownError when their command was sent already. One given
// to NewBus stays open.
func (b *Bus) Close() {
	if b.own {
		b.nc.Close()
	}
}

// parcel is a command as the bus carries it.
type parcel struct {
	id   string
	name string
	msg  *nats.Msg
	keep func([]byte) // gets the bytes of the outcome
}

// pack makes the message that gives cmd to ent below root. Whatever could make
// another subject of it is refused here.
func pack(root string, ent EnterpriseID, cmd Command, opts []WriteOption) (parcel, *Error) {
	cmd, e := addressed(ent, cmd)
	if e != nil {
		return parcel{}, e
	}
	w := newRequest(http.MethodPost).asWrite(opts)
	p := parcel{id: w.header.Get(headerIdempotencyKey), name: cmd.CommandName(), keep: func([]byte) {}}
	fail := func(e *Error) (parcel, *Error) {
		e.IdempotencyKey = p.id
		return p, e
	}
	if w.refusal != nil {
		return fail(w.refusal)
	}
	if w.header.Get(headerIfMatch) != "" {
		return fail(refused(CodeInvalid, headerIfMatch, "the bus compares no revisions; over HTTP it works"))
	}
	if e := address(ent, p.id); e != nil {
		return fail(e)
	}
	body, err := json.Marshal(cmd)
	if err != nil { // a time outside the years that JSON can say
		return fail(refused(CodeMalformed, "", "the command cannot be encoded: "+err.Error()))
	}
	if w.keep != nil {
		p.keep = func(data []byte) { w.keep.Write(data) }
	}
	p.msg = &nats.Msg{
		Subject: root + strings.ToLower(string(ent)) + "." + p.name, Data: body,
		Header: nats.Header{busCommandID: {p.id}},
	}
	for from, to := range map[string]string{headerReason: headerReason, headerActor: headerActor, headerTraceparent: busTraceparent} {
		if value := w.header.Get(from); value != "" {
			p.msg.Header.Set(to, value)
		}
	}
	return p, nil
}

// address checks what becomes a part of a subject.
func address(ent EnterpriseID, id string) *Error {
	if ent == "" || !isToken(string(ent)) {
		return refused(CodeInvalid, "enterprise", "an enterprise id consists of letters, digits and dashes")
	}
	if id == "" || len(id) > maxCommandID || !isToken(id) {
		return refused(CodeInvalid, "command_id", "a command id consists of 1 to 128 letters, digits, dashes and underscores")
	}
	return nil
}

func isToken(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// The reasons for which a try ends early.
var (
	errConnectionLost = errors.New("the connection was lost before the answer came")
	errDenied         = errors.New("the server does not let this user publish there")
)

// deniedEvery is how soon it is noticed that the server does not let us publish.
const deniedEvery = 20 * time.Millisecond

// ask sends m once and returns the answer. It does not wait for an answer to
// what was sent on a connection that is gone, or what the server refused. sent is
// false when nobody can have got m.
func (b *Bus) ask(ctx context.Context, m *nats.Msg) (answer *nats.Msg, sent bool, err error) {
	if b.nc.IsClosed() { // later the same error says nothing of what was sent before
		return nil, false, nats.ErrConnectionClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	bounded, done := context.WithTimeout(ctx, b.timeout)
	lost := b.nc.StatusChanged(nats.RECONNECTING, nats.CLOSED)
	before := b.nc.LastError()
	denied := func() bool { return b.denied(m.Subject, before) }
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		if err := watch(bounded, lost, denied); err != nil {
			cancel(err)
		}
	}()
	answer, err = b.nc.RequestMsgWithContext(bounded, m)
	done()
	<-watching
	b.nc.RemoveStatusListener(lost)
	switch {
	case err == nil || unsent(err):
	case denied():
		err = errDenied
	case errors.Is(context.Cause(ctx), errConnectionLost):
		err = errConnectionLost
	}
	cancel(nil)
	return answer, !unsent(err), err
}

// watch returns why there is no use in waiting any longer, nil when ctx ends.
func watch(ctx context.Context, lost <-chan nats.Status, denied func() bool) error {
	t := time.NewTicker(deniedEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-lost:
			return errConnectionLost
		case <-t.C:
			if denied() {
				return errDenied
			}
		}
	}
}

// denied reports whether the server said that we may not publish to subject,
// after it had said the error before. It says so beside the request, which then
// ends without an answer.
func (b *Bus) denied(subject string, before error) bool {
	err := b.nc.LastError()
	return errors.Is(err, nats.ErrPermissionViolation) && err != before && //nolint:errorlint // that very one
		strings.Contains(err.Error(), `Publish to "`+subject+`"`)
}

// unsent reports whether the error of a try means that nobody got the message.
func unsent(err error) bool {
	for _, e := range []error{
		nats.ErrNoResponders, nats.ErrReconnectBufExceeded, nats.ErrConnectionDraining,
		nats.ErrMaxPayload, nats.ErrBadSubject, nats.ErrHeadersNotSupported, errDenied,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
