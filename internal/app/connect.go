package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/synadia-io/orbit.go/natscontext"

	"github.com/peering/peering/internal/config"
	"github.com/peering/peering/internal/eventstore"
)

// connector makes a connection to the log under a name in the server's lists.
type connector func(name string, more ...nats.Option) (*nats.Conn, error)

// connectNATS connects to the servers of c and goes on trying in the background
// when none answers yet. An error is a fault of the configuration, such as
// credentials that cannot be read: trying again would not help.
func connectNATS(c config.Config, log *slog.Logger, name string, more ...nats.Option) (*nats.Conn, error) {
	opts := append(eventstore.ConnectOptions(name, log), more...)
	if c.NATS.Context != "" {
		nc, _, err := natscontext.Connect(c.NATS.Context, opts...)
		if err != nil {
			return nil, fmt.Errorf("NATS_CONTEXT %s: %w", c.NATS.Context, err)
		}
		return nc, nil
	}
	if c.NATS.Creds != "" {
		opts = append(opts, nats.UserCredentials(c.NATS.Creds))
	}
	if c.NATS.CA != "" {
		opts = append(opts, nats.RootCAs(c.NATS.CA))
	}
	if c.NATS.Cert != "" {
		opts = append(opts, nats.ClientCert(c.NATS.Cert, c.NATS.Key))
	}
	if c.NATS.User != "" {
		opts = append(opts, nats.UserInfo(c.NATS.User, c.NATS.Password))
	}
	nc, err := nats.Connect(c.NATS.URL, opts...)
	if err != nil {
		return nil, fmt.Errorf("NATS: %w", err)
	}
	return nc, nil
}

// retryEvery is the longest pause between attempts to reach what is not there.
const retryEvery = 3 * time.Second

// untilItWorks calls try until it succeeds, until ctx ends, or until final says
// that its error will not go away by waiting. The first failure is logged, and
// each that says something new.
func untilItWorks(ctx context.Context, log *slog.Logger, what string, final func(error) bool, try func(context.Context) error) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 100*time.Millisecond, retryEvery
	var said string
	for {
		err := try(ctx)
		switch {
		case err == nil:
			if said != "" {
				log.Info("what was missing is there", "part", what)
			}
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case final(err):
			return fmt.Errorf("%s: %w", what, err)
		}
		if text := err.Error(); text != said {
			said = text
			log.Warn("something is not there yet; trying again", "part", what, "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait.NextBackOff()):
		}
	}
}
