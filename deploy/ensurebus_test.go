package deploy

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/eventstore"
)

// ensureBus makes the queue of commands, raw.
func ensureBus(ctx context.Context, nc *nats.Conn, _ eventstore.StreamOptions) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{
		Name: eventstore.CommandsStream, Subjects: []string{"peering.commands.*.*"}, Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, Duplicates: 100 * time.Millisecond,
		SubjectTransform: &jetstream.SubjectTransformConfig{Source: "peering.commands.*.*", Destination: "peering.commands.{{partition(16,1)}}.{{wildcard(1)}}.{{wildcard(2)}}"},
	})
	if err != nil {
		return err
	}
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: eventstore.ParkedStream, Subjects: []string{"peering.parked.*.*", "peering.decided.*.*"}})
	return err
}
