package app

import "context"

// promise is a value that one part of a process makes and others wait for.
type promise[T any] struct {
	kept  chan struct{}
	value T
}

func newPromise[T any]() *promise[T] { return &promise[T]{kept: make(chan struct{})} }

// keep gives the value to all who wait, and to all who ask later. It is called
// once.
func (p *promise[T]) keep(v T) {
	p.value = v
	close(p.kept)
}

// get waits for the value; the error is ctx's.
func (p *promise[T]) get(ctx context.Context) (v T, err error) {
	select {
	case <-p.kept:
		return p.value, nil
	case <-ctx.Done():
		return v, ctx.Err()
	}
}

// now returns the value if it is there.
func (p *promise[T]) now() (v T, ok bool) {
	select {
	case <-p.kept:
		return p.value, true
	default:
		return v, false
	}
}
