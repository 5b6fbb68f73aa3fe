package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/events"
)

// The streams besides events.Stream, and their subjects.
const (
	OutcomesStream  = "PEERING_OUTCOMES"
	SnapshotsStream = "PEERING_SNAPSHOTS"
	HealthStream    = "PEERING_HEALTH"

	outcomesRoot  = "peering.outcomes."
	snapshotsRoot = "peering.snapshots."
	healthSubject = "peering.health"
)

// Format is the version of what the streams hold. A program refuses streams of
// a newer format; the metadata of each stream carries it.
const Format = 1

const formatKey = "peering.format"

// DefaultMaxBytes is the limit of the log when StreamOptions names none.
const DefaultMaxBytes = 8 << 30

// StreamOptions are the settings of the streams that an operator chooses.
type StreamOptions struct {
	Replicas int          // at least; 0 means 1
	MaxBytes int64        // limit of the log, at least; 0 means DefaultMaxBytes
	Logger   *slog.Logger // gets what is made and raised; nil discards it
}

func (o StreamOptions) withDefaults() StreamOptions {
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Reserved is how many bytes of storage the streams claim on each server: what
// the server's own limit must allow.
func (o StreamOptions) Reserved() int64 {
	var sum int64
	o = o.withDefaults()
	for _, c := range slices.Concat(o.streams(), o.busStreams(), []jetstream.StreamConfig{o.samplesStream()}) {
		sum += c.MaxBytes
	}
	return sum
}

// common is what every stream has. Streams with replicas are not compressed: see
// packed.
func (o StreamOptions) common() jetstream.StreamConfig {
	compression := jetstream.NoCompression
	if o.Replicas == 1 {
		compression = jetstream.S2Compression
	}
	return jetstream.StreamConfig{
		Storage:           jetstream.FileStorage,
		Replicas:          o.Replicas,
		Discard:           jetstream.DiscardNew,
		Compression:       compression,
		MaxMsgs:           -1,
		MaxMsgsPerSubject: -1,
		MaxMsgSize:        -1,
		MaxConsumers:      -1,
		Metadata:          map[string]string{formatKey: strconv.Itoa(Format)},
	}
}

// streams are the streams as they must be, but for that of the samples.
func (o StreamOptions) streams() []jetstream.StreamConfig {
	log, outcomes, snapshots, health := o.common(), o.common(), o.common(), o.common()

	log.Name = events.Stream
	log.Description = "What happened: the history that everything else is derived from."
	log.Subjects = []string{events.FilterConfig, events.FilterStatus}
	log.MaxBytes = o.MaxBytes
	log.DenyDelete, log.DenyPurge, log.AllowAtomicPublish = true, true, true

	outcomes.Name = OutcomesStream
	outcomes.Description = "The one outcome of each command with an id."
	outcomes.Subjects = []string{outcomesRoot + "*.*"}
	outcomes.MaxBytes = max(o.MaxBytes/8, 16<<20)
	outcomes.MaxAge = events.CommandMemory
	outcomes.DenyDelete, outcomes.DenyPurge = true, true
	// The first outcome stands: a second one on its subject is refused, and a
	// full stream refuses new ones instead of forgetting old ones early.
	outcomes.MaxMsgsPerSubject, outcomes.DiscardNewPerSubject = 1, true

	snapshots.Name = SnapshotsStream
	snapshots.Description = "Saved states of enterprises: a cache of the log, rebuilt when it is lost."
	snapshots.Subjects = []string{snapshotsRoot + "*"}
	snapshots.MaxBytes = max(o.MaxBytes/4, 16<<20)
	snapshots.Discard = jetstream.DiscardOld
	snapshots.AllowAtomicPublish, snapshots.AllowRollup = true, true

	health.Name = HealthStream
	health.Description = "A message that is written again and again to see whether the log can be written."
	health.Subjects = []string{healthSubject}
	health.MaxBytes = 1 << 20
	health.MaxMsgs = 1
	health.Discard = jetstream.DiscardOld
	return []jetstream.StreamConfig{log, outcomes, snapshots, health}
}

// Ensure makes the streams that are missing and verifies those that are there.
// It raises limits that are below what o asks for and lowers none, and ends the
// compression of streams with replicas. A stream
// with a wrong setting, a newer format or too few replicas is a *SettingsError
// that names all that is wrong: somebody must act, trying again does not help.
// Any other error is worth trying again.
func Ensure(ctx context.Context, nc *nats.Conn, o StreamOptions) error {
	o = o.withDefaults()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("eventstore: %w", err)
	}
	wrong, err := ensureAll(ctx, js, o.streams(), o.Logger)
	if err != nil {
		return err
	}
	return settingsError(append(checkServer(nc), wrong...))
}

// settingsError is nil when nothing is wrong.
func settingsError(wrong []Fault) error {
	if len(wrong) == 0 {
		return nil
	}
	return &SettingsError{Faults: wrong}
}

func ensureAll(ctx context.Context, js jetstream.JetStream, list []jetstream.StreamConfig, log *slog.Logger) (wrong []Fault, err error) {
	for _, want := range list {
		faults, err := ensure(ctx, js, want, log)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", want.Name, err)
		}
		wrong = append(wrong, faults...)
	}
	return wrong, nil
}

// ensure makes or verifies one stream.
func ensure(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig, log *slog.Logger) ([]Fault, error) {
	stream, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		// Another process may make it at the same moment, from the same
		// settings: then this call succeeds too.
		stream, err = js.CreateStream(ctx, want)
		if err == nil {
			log.Info("stream is there", "stream", want.Name, "replicas", want.Replicas, "max_bytes", want.MaxBytes)
		}
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		stream, err = js.Stream(ctx, want.Name)
	}
	if f, ok := noRoom(want, err); ok {
		return []Fault{f}, nil
	}
	if err != nil {
		return nil, unavailable(err)
	}
	got := stream.CachedInfo().Config
	if packed(got) {
		if got, err = unpack(ctx, js, got, log); err != nil {
			return nil, err
		}
	}
	if faults := compare(got, want); len(faults) > 0 {
		return faults, nil
	}
	switch {
	case got.MaxBytes > want.MaxBytes:
		log.Info("limit of the stream is kept", "stream", want.Name, "max_bytes", got.MaxBytes, "asked", want.MaxBytes)
	case got.MaxBytes < want.MaxBytes:
		return raise(ctx, js, got, want, log)
	}
	return nil, nil
}

// unpack ends the compression of a stream, online. Blocks that are compressed stay
// so and are read as before; what is written from now on is not.
func unpack(ctx context.Context, js jetstream.JetStream, got jetstream.StreamConfig, log *slog.Logger) (jetstream.StreamConfig, error) {
	got.Compression = jetstream.NoCompression
	if _, err := js.UpdateStream(ctx, got); err != nil {
		return got, unavailable(err)
	}
	log.Warn("stream is not compressed any more: with replicas that is not safe", "stream", got.Name)
	return got, nil
}

// raise gives a stream more room, online.
func raise(ctx context.Context, js jetstream.JetStream, got, want jetstream.StreamConfig, log *slog.Logger) ([]Fault, error) {
	from := got.MaxBytes
	got.MaxBytes = want.MaxBytes
	_, err := js.UpdateStream(ctx, got)
	if f, ok := noRoom(want, err); ok {
		return []Fault{f}, nil
	}
	if err != nil {
		return nil, unavailable(err)
	}
	log.Info("limit of the stream raised", "stream", want.Name, "max_bytes", want.MaxBytes, "from", from)
	return nil, nil
}

// noRoom recognises a server that does not allow a stream of this size.
func noRoom(want jetstream.StreamConfig, err error) (Fault, bool) {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return Fault{}, false
	}
	switch api.ErrorCode {
	case codeStorageResources, codeInsufficient, codeAccountResources:
		return Fault{want.Name, "max_bytes", fmt.Sprintf("more than the server's storage limit leaves (%s)", api.Description), size(want.MaxBytes)}, true
	}
	return Fault{}, false
}

// unavailable marks what is not an answer of the server.
func unavailable(err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return answered(api)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

func size(n int64) string {
	if n <= 0 {
		return "unlimited"
	}
	return strconv.FormatInt(n, 10)
}

func age(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	return d.String()
}
