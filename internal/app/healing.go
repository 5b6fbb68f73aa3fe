package app

import "time"

// How long no write may be acknowledged before the embedded server's storage is
// taken up again: when it says that it has stopped, which it also says of a stream
// that is just being made; and when it does not, for a busy disk looks like that,
// and taking it up again makes it busier.
const (
	stoppedFor = time.Second
	silentFor  = 10 * time.Second
)

// healing decides when the storage is taken up again: at most every checkEvery,
// for on a disk that is still full it stops again.
type healing struct {
	last   time.Time
	silent time.Time // since when no write was acknowledged; zero: the last one was
}

// due reports whether it is time now, when a write has ended with err and stopped
// is what the storage says of itself. The caller then does it.
func (h *healing) due(stopped bool, err error, now time.Time) bool {
	switch {
	case err == nil:
		h.silent = time.Time{}
		return false
	case h.silent.IsZero():
		h.silent = now
	}
	limit := silentFor
	if stopped {
		limit = stoppedFor
	}
	if now.Sub(h.silent) < limit || now.Sub(h.last) < checkEvery {
		return false
	}
	h.last = now
	return true
}
