package embednats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
)

// logger hands the server's messages to slog, and remembers the last one that
// the server calls fatal, because Start has no other way to learn the reason.
type logger struct {
	log *slog.Logger

	mu   sync.Mutex
	last string
}

func newLogger(l *slog.Logger) *logger {
	if l == nil {
		l = slog.New(slog.DiscardHandler)
	}
	return &logger{log: l.With("component", "nats-server")}
}

// fatal returns the last fatal message as an error, never nil.
func (l *logger) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == "" {
		return errors.New("no reason given")
	}
	return errors.New(l.last)
}

func (l *logger) put(level slog.Level, format string, args []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, "nats server", "text", fmt.Sprintf(format, args...))
	}
}

// The server is chatty: what it calls a notice is of use only to somebody who
// looks for trouble.
func (l *logger) Noticef(format string, args ...any) { l.put(slog.LevelDebug, format, args) }
func (l *logger) Warnf(format string, args ...any)   { l.put(slog.LevelWarn, format, args) }
func (l *logger) Errorf(format string, args ...any)  { l.put(slog.LevelError, format, args) }
func (l *logger) Debugf(format string, args ...any)  { l.put(slog.LevelDebug, format, args) }
func (l *logger) Tracef(format string, args ...any)  { l.put(slog.LevelDebug, format, args) }

func (l *logger) Fatalf(format string, args ...any) {
	l.mu.Lock()
	l.last = fmt.Sprintf(format, args...)
	l.mu.Unlock()
	l.put(slog.LevelError, format, args)
}
