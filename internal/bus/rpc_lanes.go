package bus

import (
	"sync"
	"time"
)

// job is a request that waits or is at work.
type job struct {
	endpoint string
	lane     string // the enterprise in lower case; empty: what cannot be one
	tail     string
	reply    string
	header   header
	body     []byte
	at       time.Time // when it arrived
}

// size is what a job takes of the memory, about.
func (j job) size() int { return len(j.body) + len(j.tail) + len(j.reply) + 1024 }

// limits bound the queue of requests.
type limits struct {
	working  int // at work for one enterprise
	waiting  int // for one enterprise
	bytes    int // waiting for one enterprise
	waitAll  int
	bytesAll int
}

func defaultLimits() limits {
	return limits{working: 8, waiting: 128, bytes: 8 << 20, waitAll: 2048, bytesAll: 64 << 20}
}

// lanes is the queue of requests, with a lane for each enterprise. Those that may
// begin come from all lanes in turn, so that an enterprise waits for one request
// of each other one, and not for all that are ahead of it.
type lanes struct {
	limits limits

	mu     sync.Mutex
	wake   sync.Cond
	lanes  map[string]*lane
	turn   []*lane // those with a job that may begin, each once
	count  int     // waiting
	bytes  int     // waiting
	closed bool
}

type lane struct {
	jobs    []job
	bytes   int
	working int
	inTurn  bool
}

func newLanes(l limits) *lanes {
	q := &lanes{limits: l, lanes: map[string]*lane{}}
	q.wake.L = &q.mu
	return q
}

// What became of a job that was put into the queue.
type putResult int

const (
	putDone putResult = iota
	putFull
	putClosed
)

// put takes a job in unless there is no room.
func (q *lanes) put(j job) putResult {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return putClosed
	}
	l, known := q.lanes[j.lane]
	if !known {
		l = &lane{}
	}
	if q.count >= q.limits.waitAll || q.bytes+j.size() > q.limits.bytesAll ||
		len(l.jobs) >= q.limits.waiting || l.bytes+j.size() > q.limits.bytes {
		return putFull
	}
	q.lanes[j.lane] = l
	l.jobs = append(l.jobs, j)
	l.bytes += j.size()
	q.count++
	q.bytes += j.size()
	q.mayBegin(l)
	return putDone
}

// mayBegin gives l a turn if one of its jobs may begin.
func (q *lanes) mayBegin(l *lane) {
	if !l.inTurn && len(l.jobs) > 0 && l.working < q.limits.working {
		l.inTurn = true
		q.turn = append(q.turn, l)
		q.wake.Signal()
	}
}

// take waits for a job and returns it; done must be called for it. ok is false
// once the queue is closed.
func (q *lanes) take() (j job, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.turn) == 0 && !q.closed {
		q.wake.Wait()
	}
	if q.closed {
		return job{}, false
	}
	l := q.turn[0]
	q.turn[0] = nil
	q.turn = q.turn[1:]
	l.inTurn = false
	j = l.jobs[0]
	l.jobs[0] = job{}
	l.jobs = l.jobs[1:]
	l.bytes -= j.size()
	l.working++
	q.count--
	q.bytes -= j.size()
	q.mayBegin(l)
	return j, true
}

// done says that a job that was taken has ended.
func (q *lanes) done(j job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[j.lane]
	l.working--
	q.mayBegin(l)
	if l.working == 0 && len(l.jobs) == 0 {
		delete(q.lanes, j.lane)
	}
}

// close ends all that wait in take and returns the jobs that did not begin.
func (q *lanes) close() []job {
	q.mu.Lock()
	defer q.mu.Unlock()
	var left []job
	for _, l := range q.lanes {
		left = append(left, l.jobs...)
		l.jobs, l.bytes = nil, 0
	}
	q.turn, q.count, q.bytes, q.closed = nil, 0, 0, true
	q.wake.Broadcast()
	return left
}

// load is how many jobs wait and how many are at work.
func (q *lanes) load() (waiting, working int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lanes {
		working += l.working
	}
	return q.count, working
}
