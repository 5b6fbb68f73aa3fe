package bus

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/readmodel"
)

// stub is everything around reactions, and keeps what it was asked for.
type stub struct {
	mu      sync.Mutex
	asked   []command.Request
	parked  []eventstore.ParkedCommand
	revoked []time.Time
	noted   []events.Seq

	neighbours readmodel.Neighbours
	handle     func(command.Request) (command.Receipt, error) // nil: done
	look       error
	note       error
	park       func() error
	ill        func() error
	revoke     func() error
}

func (s *stub) Handle(_ context.Context, req command.Request) (command.Receipt, error) {
	s.mu.Lock()
	s.asked = append(s.asked, req)
	s.mu.Unlock()
	if s.handle == nil {
		return command.Receipt{Events: []events.EventID{"e"}}, nil
	}
	return s.handle(req)
}

func (s *stub) Neighbours(context.Context, events.EnterpriseID, events.Seq) (readmodel.Neighbours, error) {
	return s.neighbours, s.look
}

func (s *stub) RevokeAll(_ context.Context, by access.Principal, _ events.EnterpriseID, until time.Time) (int, error) {
	if s.revoke != nil {
		if err := s.revoke(); err != nil {
			return 0, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = append(s.revoked, until)
	if by.Actor == "" {
		return 0, errors.New("nobody revokes")
	}
	return 1, nil
}

func (s *stub) Park(_ context.Context, c eventstore.ParkedCommand) (events.Seq, error) {
	if s.park != nil {
		if err := s.park(); err != nil {
			return 0, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parked = append(s.parked, c)
	return events.Seq(len(s.parked)), nil
}

func (s *stub) Keep(_ context.Context, seq events.Seq) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted = append(s.noted, seq)
	return s.note
}

func (s *stub) works(context.Context) error {
	if s.ill == nil {
		return nil
	}
	return s.ill()
}

func (s *stub) reactions(t testing.TB) watched {
	reg := prometheus.NewRegistry()
	return watched{NewReactions(ReactionParts{s, s, s, s, s, s.works}, Options{Metrics: reg, Logger: slog.New(slog.DiscardHandler)}), t, reg}
}

// watched are reactions whose ends are counted.
type watched struct {
	*Reactions
	t   testing.TB
	reg *prometheus.Registry
}

// ended is how often reactions ended so.
func (w watched) ended(end string) int { return counted(w.t, w.reg, "peering_reactions_total", end) }

// counted is a counter with one label.
func counted(t testing.TB, reg *prometheus.Registry, name, label string) int {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	return 0
}

const (
	hq    = events.EnterpriseID("acme")
	cause = events.EventID("cause-1")
)

var moved = events.EnterpriseServerChanged{
	From: events.Server{Hostname: "old.acme.example", Address: "192.0.2.1", Version: "9.4", Deployment: events.DeploymentStandard},
	To:   events.Server{Hostname: "new.acme.example", Address: "192.0.2.2", Version: "9.8", Deployment: events.DeploymentStandard},
}
