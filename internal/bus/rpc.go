package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// Where requests arrive: <root><enterprise>.<Command>, as on the bus, and
// <root><enterprise>.<command id> for the outcome that was kept of a command.
const (
	requestsRoot = "peering.rpc."
	lookupRoot   = "peering.outcome."
)

// The limits of one process that answers requests. What is more is answered with
// too_many_requests at once.
const (
	requestWorkers = 64
	// requestTime bounds a request at work; the write loop gives up before that.
	requestTime = 6 * time.Second
	// requestPatience is how long a request may wait for a worker.
	requestPatience = 5 * time.Second
	// requestWithin bounds waiting and work together: less than the 8 s for which
	// who sent it is told to wait.
	requestWithin = 7500 * time.Millisecond
	// farewell bounds each step of saying goodbye to the server.
	farewell = 2 * time.Second
)

// requestWriter carries commands out; a Writer does.
type requestWriter interface {
	Handle(ctx context.Context, req command.Request) (command.Receipt, error)
}

// OutcomeFinder finds the outcomes that were kept; eventstore.Outcomes does.
type OutcomeFinder interface {
	Find(ctx context.Context, ent events.EnterpriseID, id events.CommandID) (data []byte, ok bool, err error)
}

// RPC answers requests: commands whose outcome is the reply (ADR 0025). It is a
// NATS service named peering, of which any number of processes may run one.
//
// A request is carried out at most when its reply subject is one that an outcome
// may be published on: without that check, who may send a request could make this
// process write into the log.
type RPC struct {
	writer   requestWriter
	outcomes OutcomeFinder
	version  string
	o        Options
	often    *limited // what hostile input could repeat
	metrics  *requestMetrics

	patience, limit time.Duration // requestPatience and requestTime
}

// NewRPC returns an RPC that gives commands to w. version is that of the program.
func NewRPC(w requestWriter, outcomes OutcomeFinder, version string, o Options) *RPC {
	o = o.withDefaults()
	return &RPC{
		writer: w, outcomes: outcomes, version: version, o: o, often: newLimited(o.Logger), metrics: newRequestMetrics(o.Metrics),
		patience: requestPatience, limit: requestTime,
	}
}

// Run answers requests on a connection of its own until ctx ends; then it answers
// those that are at work, tells the others that it stops, and returns nil. Other
// outages than the end of the connection pass by themselves.
func (r *RPC) Run(ctx context.Context) error {
	refused := make(chan struct{}, 1)
	nc, err := r.o.Connect("bus requests", nats.ErrorHandler(r.trouble(refused)))
	if err != nil {
		return fmt.Errorf("bus: connecting for requests: %w", err)
	}
	defer nc.Close()
	closed := nc.StatusChanged(nats.CLOSED)
	defer nc.RemoveStatusListener(closed)

	s := &server{RPC: r, nc: nc, queue: newLanes(defaultLimits())}
	service, err := s.register()
	if err != nil {
		return fmt.Errorf("bus: registering the service of requests: %w", err)
	}
	// What is at work when ctx ends is finished: its time is bounded anyway.
	work := context.WithoutCancel(ctx)
	var workers sync.WaitGroup
	for range requestWorkers {
		workers.Go(func() { s.work(work) })
	}
	if !nc.IsClosed() {
		select {
		case <-ctx.Done():
		case <-closed:
		case <-refused:
			err = fmt.Errorf("bus: requests: %w", errRefused)
		}
	}
	byItself := nc.IsClosed() && ctx.Err() == nil
	s.takeLeave(service)
	for _, j := range s.queue.close() {
		s.reply(j, stopping())
	}
	workers.Wait()
	if byItself {
		return errors.New("bus: the connection of requests was closed")
	}
	if flush := nc.FlushTimeout(farewell); flush != nil && ctx.Err() == nil && err == nil {
		return fmt.Errorf("bus: sending the last answers: %w", flush)
	}
	return err
}

// trouble returns what logs what goes wrong on the connection, and signals when
// the server refuses requests to be received.
func (r *RPC) trouble(refused chan<- struct{}) nats.ErrHandler {
	return func(_ *nats.Conn, sub *nats.Subscription, err error) {
		if isRefused(err, requestsRoot) || isRefused(err, lookupRoot) {
			signal(refused, refusedPause)
		}
		subject := ""
		if sub != nil {
			subject = sub.Subject
		}
		r.often.warn("trouble on the connection of requests", slog.String("subject", subject), slog.Any("err", err))
	}
}

// server is an RPC on its connection.
type server struct {
	*RPC
	nc    *nats.Conn
	queue *lanes
}

// register makes the service known and begins to receive.
func (s *server) register() (micro.Service, error) {
	config := micro.Config{
		Name:         "peering",
		Version:      s.version,
		Description:  "Carries out commands to enterprises and answers with their outcomes.",
		Metadata:     map[string]string{"schema": "/asyncapi.json"},
		QueueGroup:   eventstore.CommandGroup,
		StatsHandler: s.stats,
	}
	service, err := micro.AddService(s.nc, config)
	if errors.Is(err, micro.ErrConfigValidation) { // a version that is not semantic
		config.Metadata["version"], config.Version = s.version, "0.0.0"
		service, err = micro.AddService(s.nc, config)
	}
	if err != nil {
		return nil, err
	}
	limits := map[string]string{
		"max_body_bytes":     strconv.Itoa(command.MaxBody),
		"max_seconds":        strconv.Itoa(int(requestTime.Seconds())),
		"max_per_enterprise": strconv.Itoa(s.queue.limits.working),
	}
	for _, e := range []struct {
		name, root, subject string
	}{
		{endpointCommand, requestsRoot, "<enterprise>.<Command>"},
		{endpointOutcome, lookupRoot, "<enterprise>.<command id>"},
	} {
		metadata := map[string]string{"subject": e.root + e.subject}
		for k, v := range limits {
			metadata[k] = v
		}
		err := service.AddGroup(strings.TrimSuffix(e.root, ".")).AddEndpoint(e.name, s.receiver(e.name, e.root),
			micro.WithEndpointSubject("*.*"), micro.WithEndpointMetadata(metadata))
		if err != nil {
			return nil, errors.Join(err, service.Stop())
		}
	}
	return service, nil
}

// takeLeave ends the subscriptions and waits, for a short time, until all that
// was delivered before has come to the queue.
func (s *server) takeLeave(service micro.Service) {
	if err := service.Stop(); err != nil && !s.nc.IsClosed() {
		s.o.Logger.Warn("ending the subscriptions of requests", slog.Any("err", err))
	}
	if !s.nc.IsConnected() || s.nc.FlushTimeout(farewell) != nil {
		return // whoever waits for an answer asks again
	}
	arrived := make(chan struct{})
	if s.nc.Barrier(func() { close(arrived) }) != nil {
		return
	}
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-arrived:
	case <-timer.C:
	}
}

// receiver puts what arrives below root into the queue, or answers at once that
// there is no room. It never waits.
func (s *server) receiver(endpoint, root string) micro.Handler {
	return micro.HandlerFunc(func(m micro.Request) {
		j := job{endpoint: endpoint, tail: strings.TrimPrefix(m.Subject(), root), reply: m.Reply(), body: m.Data(), at: time.Now()}
		if !mayReplyTo(j.reply) {
			s.metrics.count(endpoint, resultIgnored)
			return
		}
		enterprise, _, _ := strings.Cut(j.tail, ".")
		if _, err := events.ParseEnterpriseID(enterprise); err == nil {
			// All that cannot be an enterprise shares one lane.
			j.lane = strings.ToLower(enterprise)
		}
		j.header = selectHeader(m.Headers())
		switch s.queue.put(j) {
		case putDone:
		case putFull:
			s.reply(j, busy())
		case putClosed:
			s.reply(j, stopping())
		}
	})
}

// mayReplyTo reports whether an outcome may be published on a reply subject that
// somebody chose. Where messages mean something to the deployment or to the
// server, it may not.
func mayReplyTo(subject string) bool {
	return subject != "" && !strings.HasPrefix(subject, "$") && !strings.HasPrefix(subject, "peering.") &&
		!strings.ContainsAny(subject, "*> ")
}

// work answers requests until the queue is closed.
func (s *server) work(ctx context.Context) {
	for {
		j, ok := s.queue.take()
		if !ok {
			return
		}
		if time.Since(j.at) > s.patience {
			s.reply(j, busy())
		} else {
			s.reply(j, s.answer(ctx, j))
		}
		s.queue.done(j)
	}
}

// deadline is when a request that arrived and begins now is given up.
func (r *RPC) deadline(arrived, now time.Time) time.Time {
	end, last := now.Add(r.limit), arrived.Add(requestWithin)
	if last.Before(end) {
		return last
	}
	return end
}

// reply sends the answer to a request. When it is lost, who asked asks again.
func (s *server) reply(j job, a answer) {
	s.metrics.answered(j, a)
	m := &nats.Msg{Subject: j.reply, Data: a.body}
	if a.problem != nil {
		m.Header = nats.Header{
			micro.ErrorCodeHeader: {strconv.Itoa(a.problem.Status)},
			micro.ErrorHeader:     {a.problem.Detail},
		}
	}
	if err := s.nc.PublishMsg(m); err != nil {
		s.o.Logger.Debug("an answer to a request was not sent", slog.Any("err", err))
	}
}
