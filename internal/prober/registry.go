package prober

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// bucket is the key-value bucket of the registry.
const bucket = "PEERING_PROBERS"

// KV is the registry in a key-value bucket of NATS.
type KV struct {
	js       jetstream.JetStream
	replicas int
	kv       jetstream.KeyValue // works again when the bucket was made anew
}

// OpenKV opens the bucket on nc, and makes it when it is missing, with that many
// replicas. An error is worth trying again.
func OpenKV(ctx context.Context, nc *nats.Conn, replicas int) (*KV, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("prober: %w", err)
	}
	kv, err := openBucket(ctx, js, replicas)
	if err != nil {
		return nil, err
	}
	return &KV{js, replicas, kv}, nil
}

func openBucket(ctx context.Context, js jetstream.JetStream, replicas int) (jetstream.KeyValue, error) {
	kv, err := js.KeyValue(ctx, bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: bucket, Description: "The probers, and when each was heard last.",
			Replicas: replicas, Storage: jetstream.FileStorage, History: 1,
		})
	}
	if errors.Is(err, jetstream.ErrBucketExists) {
		kv, err = js.KeyValue(ctx, bucket)
	}
	if err != nil {
		return nil, fmt.Errorf("prober: bucket %s: %w", bucket, err)
	}
	return kv, nil
}

// Beat is described at Registry.
func (r *KV) Beat(ctx context.Context, m Member) error {
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("prober: %w", err)
	}
	if _, err := r.kv.Put(ctx, m.ID, data); err != nil {
		return fmt.Errorf("prober: bucket %s: %w", bucket, err)
	}
	return nil
}

// Forget is described at Registry.
func (r *KV) Forget(ctx context.Context, id string) error {
	if err := r.kv.Purge(ctx, id); err != nil {
		return fmt.Errorf("prober: bucket %s: %w", bucket, err)
	}
	return nil
}

// Watch is described at Registry. It makes the bucket again when that is gone. The
// library says nothing of a bucket that is gone, and only after ten seconds that
// the server with the watch is: silence is what tells.
func (r *KV) Watch(ctx context.Context, fn func(m Member, old time.Duration)) error {
	kv, err := openBucket(ctx, r.js, r.replicas)
	if err != nil {
		return err
	}
	w, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("prober: bucket %s: %w", bucket, err)
	}
	defer func() { _ = w.Stop() }() // it only says that the connection is gone
	silence := time.NewTimer(deafAfter)
	defer silence.Stop()
	initial := true
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-silence.C:
			return errSilent
		case entry, ok := <-w.Updates():
			switch {
			case !ok:
				return fmt.Errorf("prober: bucket %s: the watch has ended", bucket)
			case entry == nil:
				initial = false
			default:
				silence.Reset(deafAfter)
				tell(entry, initial, fn)
			}
		}
	}
}

// tell hands an entry on; what is none of a prober is passed over.
func tell(entry jetstream.KeyValueEntry, initial bool, fn func(Member, time.Duration)) {
	var m Member
	if json.Unmarshal(entry.Value(), &m) != nil || m.ID != entry.Key() {
		return
	}
	m.At = entry.Created()
	var old time.Duration
	if initial {
		old = max(0, time.Since(m.At))
	}
	fn(m, old)
}
