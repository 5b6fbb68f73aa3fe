package prober

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
)

// period is a time during which a server was in one state.
type period struct {
	from    time.Time
	failure events.Cause
}

// chaos is a world in which servers come and go, and the probers too.
type chaos struct {
	*world
	rnd     *rand.Rand
	hosts   []string
	periods map[string][]period
	running []*process
	started int
	done    []string
}

const chaosPeers = 8

func (c *chaos) note(format string, args ...any) {
	c.done = append(c.done, time.Now().Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

func (c *chaos) turn(host string, failure events.Cause) {
	c.fail(failure, host)
	c.periods[host] = append(c.periods[host], period{time.Now(), failure})
	c.note("%s is %q", host, failure.Code)
}

// join starts a prober whose log loses answers now and then.
func (c *chaos) join() {
	c.started++
	lossy := &troubled{}
	loses := c.rnd.IntN(3) == 0
	nth := 0
	lossy.become(func(ctx context.Context, write func() (events.Seq, error)) (events.Seq, error) {
		lossy.mu.Lock()
		nth++
		lose := loses && nth%3 == 0
		lossy.mu.Unlock()
		seq, err := write()
		if lose {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return seq, err
	})
	id := fmt.Sprintf("prober-%d", c.started)
	c.running = append(c.running, c.start(id, lossy.over))
	c.note("%s joins, loses answers: %t", id, loses)
}

// pick takes a prober that runs out of the list.
func (c *chaos) pick() *process {
	i := c.rnd.IntN(len(c.running))
	p := c.running[i]
	c.running = append(c.running[:i:i], c.running[i+1:]...)
	c.note("%s is picked", p.id)
	return p
}

// trouble does something to a prober, and makes good for it.
func (c *chaos) trouble() {
	switch c.rnd.IntN(6) {
	case 0:
		if len(c.running) < 4 {
			c.join()
		}
	case 1:
		c.pick().stop()
		c.note("it left")
	case 2:
		c.pick().kill()
		c.note("it was killed")
	case 3, 4:
		p := c.pick()
		p.freeze()
		c.note("it stands still")
		c.pass(time.Duration(c.rnd.IntN(150)) * time.Second)
		p.resume()
		c.note("it goes on")
		c.running = append(c.running, p)
	case 5:
		p := c.pick()
		p.line.shut()
		c.note("it is cut off")
		c.pass(time.Duration(c.rnd.IntN(30)) * time.Second)
		p.line.open()
		c.note("it is connected again")
		c.running = append(c.running, p)
	}
	if len(c.running) == 0 {
		c.join()
	}
}

// pass lets time go by. Servers that have been as they are for long may change.
func (c *chaos) pass(d time.Duration) {
	for ; d > 0; d -= 10 * time.Second {
		time.Sleep(10 * time.Second)
		host := c.hosts[c.rnd.IntN(len(c.hosts))]
		now := c.periods[host][len(c.periods[host])-1]
		if time.Since(now.from) > 4*time.Minute && c.rnd.IntN(4) == 0 {
			c.turn(host, []events.Cause{{}, refused, timedOut}[c.rnd.IntN(3)])
		}
	}
}

// failed reports whether a server failed all the time.
func (c *chaos) failed(host string, from, to time.Time) bool {
	for i, p := range c.periods[host] {
		ends := i+1 < len(c.periods[host]) && !c.periods[host][i+1].from.After(from)
		if !ends && p.from.Before(to) && p.failure == (events.Cause{}) {
			return false
		}
	}
	return true
}

// wantTrue fails the test unless whatever was reported was so.
func (c *chaos) wantTrue() {
	c.t.Helper()
	for i, host := range c.hosts {
		c.wantSound(peerID(i))
		for _, e := range c.reported(peerID(i)) {
			switch {
			case e.To == down && !c.failed(host, e.Since, e.ProbeStarted.Add(time.Microsecond)):
				c.t.Errorf("%s was called down, and it was not: %+v", peerID(i), e)
			case e.To == up && c.failed(host, e.Since, e.ProbeStarted.Add(time.Microsecond)):
				c.t.Errorf("%s was called up, and it was not: %+v", peerID(i), e)
			}
		}
		want := up
		if last := c.periods[host]; last[len(last)-1].failure != (events.Cause{}) {
			want = down
		}
		if got := c.status(peerID(i)); got.Status != want {
			c.t.Errorf("%s is %s (%s) in the end, and should be %s", peerID(i), got.Status, got.Cause.Code, want)
		}
	}
}

// TestSeveral_inWhateverHappensTheLogIsTrue lets servers fail and answer, and
// probers join, leave, die, stand still and be cut off. What the log says is what
// was so, each change follows from the one before, and in the end it is what is.
func TestSeveral_inWhateverHappensTheLogIsTrue(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				c := &chaos{world: w, rnd: rand.New(rand.NewPCG(seed, 1)), periods: map[string][]period{}}
				c.hosts = w.add(chaosPeers)
				for _, host := range c.hosts {
					c.periods[host] = []period{{from: time.Now()}}
				}
				for range 3 {
					c.join()
				}
				for range 40 {
					c.pass(time.Duration(c.rnd.IntN(240)) * time.Second)
					c.trouble()
				}
				for _, host := range c.hosts[:chaosPeers/2+1] { // else those left may suspect themselves
					c.turn(host, events.Cause{})
				}
				time.Sleep(30 * time.Minute)
				c.wantTrue()
				if t.Failed() {
					for _, line := range c.done {
						t.Log(line)
					}
				}
			})
		})
	}
}
