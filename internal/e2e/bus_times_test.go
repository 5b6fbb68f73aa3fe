package e2e_test

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// partitions is how many there are unless somebody changes it.
const partitions = 16

// partition is where the commands of an enterprise stand in line.
func partition(ent string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(ent))
	return h.Sum32() % partitions
}

// windows counts the commands that were delivered again by what their first
// delivery had come to when its process ended.
func (o *observer) windows(all []published, k kept) map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	by := map[uint64]published{}
	for _, p := range all {
		by[p.seq] = p
	}
	n := map[string]int{}
	for d := range o.begun {
		if d.times < 2 {
			continue
		}
		n["all"]++
		before, seen := o.begun[delivery{d.seq, d.times - 1}]
		p, known := by[d.seq]
		place := p.ent + "/" + p.id
		if !seen || !known || p.repeat || p.sent > 1 || len(k.outcomes[place]) != 1 {
			n["unclear"]++
			continue
		}
		// What the delivery before did, it did in the first seconds.
		by := before.Add(ackWait / 2)
		switch evs := k.effects[place]; {
		case k.outcomes[place][0].stored.Before(by):
			n["between outcome and acknowledgement"]++
		case len(evs) > 0 && evs[0].stored.Before(by):
			n["between append and outcome"]++
		default:
			n["before append"]++
		}
	}
	return n
}

// wait is how long a command that was the next of its partition took.
type wait struct {
	place     string
	seq       uint64 // in the queue
	partition uint32
	from, to  time.Time
}

func (w wait) took() time.Duration { return w.to.Sub(w.from) }

// waits are those of all commands whose outcome is their own, the longest first.
func (k kept) waits(all []published) []wait {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b published) int { return int(a.seq) - int(b.seq) })
	var list []wait
	free := map[uint32]time.Time{}
	for _, p := range sorted {
		place := p.ent + "/" + p.id
		if p.repeat || p.id == "" || len(k.outcomes[place]) == 0 {
			continue
		}
		w := wait{place, p.seq, partition(p.ent), p.acked, k.outcomes[place][0].stored}
		if f := free[w.partition]; f.After(w.from) {
			w.from = f
		}
		if w.to.After(w.from) {
			list = append(list, w)
			free[w.partition] = w.to
		}
	}
	slices.SortFunc(list, func(a, b wait) int { return int(b.took() - a.took()) })
	return list
}

// deliveries lists when a command was begun with, from the time when it was next.
func (o *observer) deliveries(w wait) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var list []string
	for times := uint64(1); times < 10; times++ {
		if at, seen := o.begun[delivery{w.seq, times}]; seen {
			list = append(list, fmt.Sprintf("%d: %s", times, at.Sub(w.from).Round(time.Millisecond)))
		}
	}
	return strings.Join(list, ", ")
}

// again are the partitions of which a command was delivered a second time.
func (o *observer) again(all []published) map[uint32]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	hit := map[uint32]bool{}
	for _, p := range all {
		if _, seen := o.begun[delivery{p.seq, 2}]; seen {
			hit[partition(p.ent)] = true
		}
	}
	return hit
}

// gaps are the times between one outcome and the next, the longest first.
func (k kept) gaps() []wait {
	var at []time.Time
	for _, list := range k.outcomes {
		for _, o := range list {
			at = append(at, o.stored)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	var list []wait
	for i := 1; i < len(at); i++ {
		list = append(list, wait{place: "gap", from: at[i-1], to: at[i]})
	}
	slices.SortFunc(list, func(a, b wait) int { return int(b.took() - a.took()) })
	return list
}
