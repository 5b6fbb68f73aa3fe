package eventstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/peering/peering/internal/events"
)

// Memory keeps events in memory: the twin of JetStream and Reader for tests and
// trials. It passes the same suite. Nothing survives the process.
type Memory struct {
	codec   events.Codec
	created time.Time

	mu       sync.Mutex
	messages []events.Message // index = sequence - 1
	subjects map[string][]events.Seq
	bytes    int64
	maxBytes int64
	grown    chan struct{} // closed and replaced by every append
}

// NewMemory returns an empty store without a limit.
func NewMemory(codec events.Codec) *Memory {
	return &Memory{
		codec:    codec,
		created:  time.Now().UTC(),
		subjects: map[string][]events.Seq{},
		grown:    make(chan struct{}),
	}
}

// SetMaxBytes bounds the size of the log; an Append beyond it is ErrFull. Zero
// lifts the bound.
func (m *Memory) SetMaxBytes(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.maxBytes = n
}

// Append is described at Store.
func (m *Memory) Append(ctx context.Context, subject events.Subject, after events.Seq, evs ...events.Envelope) (events.Seq, error) {
	entries, err := encode(m.codec, subject, evs)
	if err != nil {
		return 0, err
	}
	if err := ended(ctx); err != nil {
		return 0, fmt.Errorf("eventstore: append to %s: %w", subject, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	onSubject := m.subjects[string(subject)]
	last := events.Seq(0)
	if n := len(onSubject); n > 0 {
		last = onSubject[n-1]
	}
	if last != after {
		return m.repeated(subject, after, entries)
	}
	size := int64(0)
	for _, e := range entries {
		size += messageSize(string(subject), e)
	}
	if m.maxBytes > 0 && m.bytes+size > m.maxBytes {
		return 0, fmt.Errorf("eventstore: append to %s: %w", subject, ErrFull)
	}
	for _, e := range entries {
		last = m.put(string(subject), e)
	}
	return last, nil
}

// repeated tells the repeat of an append that is stored already from a conflict.
func (m *Memory) repeated(subject events.Subject, after events.Seq, entries []entry) (events.Seq, error) {
	onSubject := m.subjects[string(subject)]
	start, _ := slices.BinarySearch(onSubject, after+1)
	onSubject = onSubject[start:]
	if len(onSubject) < len(entries) {
		return 0, &ConflictError{Subject: subject, After: after}
	}
	for i, e := range entries {
		if !e.same(m.messages[onSubject[i]-1]) {
			return 0, &ConflictError{Subject: subject, After: after}
		}
	}
	return onSubject[len(entries)-1], nil
}

// Put stores a message as it is, without an expectation: what anybody who may
// publish on the stream could do. It is for tests of hostile messages.
func (m *Memory) Put(subject string, header map[string][]string, data []byte) events.Seq {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.put(subject, entry{header, data})
}

func (m *Memory) put(subject string, e entry) events.Seq {
	seq := events.Seq(len(m.messages)) + 1
	m.messages = append(m.messages, events.Message{
		Seq: seq, Subject: subject, Header: maps.Clone(e.header), Data: slices.Clone(e.data), Stored: time.Now().UTC(),
	})
	m.subjects[subject] = append(m.subjects[subject], seq)
	m.bytes += messageSize(subject, e)
	close(m.grown)
	m.grown = make(chan struct{})
	return seq
}

// Load is described at Store.
func (m *Memory) Load(ctx context.Context, subject events.Subject, after events.Seq, fn func(events.Recorded) error) (events.Seq, error) {
	if err := ended(ctx); err != nil {
		return after, fmt.Errorf("eventstore: load %s: %w", subject, err)
	}
	m.mu.Lock()
	onSubject := m.subjects[string(subject)]
	start, _ := slices.BinarySearch(onSubject, after+1)
	onSubject, messages := onSubject[start:], m.messages
	m.mu.Unlock()
	for _, seq := range onSubject {
		if err := ended(ctx); err != nil {
			return after, fmt.Errorf("eventstore: load %s: %w", subject, err)
		}
		if err := deliver(m.codec, subject, messages[seq-1], fn); err != nil {
			return after, err
		}
		after = seq
	}
	return after, nil
}

// Last is described at Store.
func (m *Memory) Last(ctx context.Context, subject events.Subject) (events.Seq, error) {
	if err := ended(ctx); err != nil {
		return 0, fmt.Errorf("eventstore: the end of %s: %w", subject, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	onSubject := m.subjects[string(subject)]
	if len(onSubject) == 0 {
		return 0, nil
	}
	return onSubject[len(onSubject)-1], nil
}

// deliver decodes a message of subject and hands it to fn.
func deliver(c events.Codec, subject events.Subject, m events.Message, fn func(events.Recorded) error) error {
	r, err := c.Decode(m)
	var bad *events.DecodeError
	if errors.As(err, &bad) {
		return &UnreadableError{Subject: subject, Seq: m.Seq, Err: bad}
	}
	if err != nil {
		return fmt.Errorf("eventstore: %s at sequence %d: %w", subject, m.Seq, err)
	}
	return fn(r)
}

// messageSize is about what the server counts for a stored message.
func messageSize(subject string, e entry) int64 {
	n := len(subject) + len(e.data) + 22
	for name, values := range e.header {
		for _, v := range values {
			n += len(name) + len(v) + 4
		}
	}
	return int64(n)
}
