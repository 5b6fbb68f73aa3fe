package bus

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
)

// routerLogger hands what Watermill logs to slog. All of it is debugging, but
// for its errors, which are a warning until the router stops: then it complains
// of the connection that is gone.
type routerLogger struct {
	log     *slog.Logger
	stopped <-chan struct{}
}

var _ watermill.LoggerAdapter = routerLogger{}

func (l routerLogger) Error(msg string, err error, fields watermill.LogFields) {
	level := slog.LevelWarn
	select {
	case <-l.stopped:
		level = slog.LevelDebug
	default:
	}
	l.write(level, msg, append(attrs(fields), slog.Any("err", err)))
}

func (l routerLogger) Info(msg string, fields watermill.LogFields) {
	l.write(slog.LevelDebug, msg, attrs(fields))
}

func (l routerLogger) Debug(msg string, fields watermill.LogFields) { l.Info(msg, fields) }

// Trace tells several times of every message, and of nothing else.
func (l routerLogger) Trace(string, watermill.LogFields) {}

func (l routerLogger) With(fields watermill.LogFields) watermill.LoggerAdapter {
	args := make([]any, 0, len(fields))
	for _, a := range attrs(fields) {
		args = append(args, a)
	}
	return routerLogger{l.log.With(args...), l.stopped}
}

func (l routerLogger) write(level slog.Level, msg string, with []slog.Attr) {
	l.log.LogAttrs(context.Background(), level, "watermill", append(with, slog.String("said", msg))...)
}

func attrs(fields watermill.LogFields) []slog.Attr {
	out := make([]slog.Attr, 0, len(fields))
	for name, value := range fields {
		out = append(out, slog.Any(name, value))
	}
	return out
}

// limited logs what hostile input could repeat without end: of each kind one
// line in a while, with how many were left out.
type limited struct {
	log   *slog.Logger
	every time.Duration

	mu    sync.Mutex
	kinds map[string]*occasion // by message, of which there are few
}

type occasion struct {
	next   time.Time
	silent int
}

func newLimited(log *slog.Logger) *limited {
	return &limited{log: log, every: time.Minute, kinds: map[string]*occasion{}}
}

// warn logs msg, a fixed text, unless it did so less than a minute ago.
func (l *limited) warn(msg string, with ...slog.Attr) { l.at(l.log.Warn, msg, with) }

// error is warn for what somebody must act on.
func (l *limited) error(msg string, with ...slog.Attr) { l.at(l.log.Error, msg, with) }

func (l *limited) at(write func(msg string, with ...any), msg string, with []slog.Attr) {
	l.mu.Lock()
	o := l.kinds[msg]
	if o == nil {
		o = &occasion{}
		l.kinds[msg] = o
	}
	now := time.Now()
	if now.Before(o.next) {
		o.silent++
		l.mu.Unlock()
		return
	}
	silent := o.silent
	o.next, o.silent = now.Add(l.every), 0
	l.mu.Unlock()
	args := make([]any, 0, len(with)+1)
	for _, a := range with {
		args = append(args, a)
	}
	if silent > 0 {
		args = append(args, slog.Int("left_out", silent))
	}
	write(msg, args...)
}
