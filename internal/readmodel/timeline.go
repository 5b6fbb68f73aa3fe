package readmodel

import (
	"cmp"
	"context"
	"slices"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// TimelineProjection is the projection that Timeline reads: what the status of
// each peer was and when, and its maintenances.
func TimelineProjection() Projection { return timeline{} }

type timeline struct{}

// timelineVersion is raised as directoryVersion is.
const timelineVersion = 1

// The nouns of the tables.
const (
	periods      = "periods"
	maintenances = "maintenances"
	connections  = "connections"
)

func (timeline) Name() string    { return "timeline" }
func (timeline) Version() int    { return timelineVersion }
func (timeline) nouns() []string { return []string{periods, maintenances, connections} }

func (timeline) create(d dialect, g generation) []string {
	p, m, c := periodTable(), maintenanceTable(), connectionTable()
	return slices.Concat(p.create(d, g), m.create(d, g), c.create(d, g))
}

func (timeline) layouts() []layout {
	p, m, c := periodTable(), maintenanceTable(), connectionTable()
	return []layout{p.layout(), m.layout(), c.layout()}
}

func (timeline) fold(d dialect, g generation) fold {
	return &timelineFold{
		dialect: d, generation: g,
		connections:  newCache[peerKey](connectionTable()),
		maintenances: newCache[maintenanceKey](maintenanceTable()),
	}
}

// timelineFold is the timeline as far as the events at hand concern it. It
// follows peers and not enterprises: whether an enterprise is there to be given
// a peer is for the directory to say.
type timelineFold struct {
	dialect      dialect
	generation   generation
	connections  *cache[connectionRow, *connectionRow, peerKey]
	maintenances *cache[maintenanceRow, *maintenanceRow, maintenanceKey]
	periods      []change[periodRow]
	batch        int // events of this transaction that concern it
}

// inTimeline reports whether an event has anything to say here. Most have not,
// and cost nothing.
func inTimeline(e events.Event) bool {
	switch e.(type) {
	case events.PeerAdded, events.PeerEnabled, events.PeerDisabled, events.PeerDeleted,
		events.PeerHostnameChanged, events.PeerEnterpriseChanged, events.PeerStatusChanged,
		events.PeerMaintenanceScheduled, events.PeerMaintenanceCancelled:
		return true
	}
	return false
}

func (f *timelineFold) prefetch(ctx context.Context, tx *sqlx.Tx, list []events.Recorded) error {
	f.batch = 0
	var removed []events.EnterpriseID
	var planned []peerKey // whose maintenance may end
	for i := range list {
		ent := list[i].Enterprise
		switch e := list[i].Event.(type) {
		case events.EnterpriseRemoved:
			removed = append(removed, ent)
		case events.PeerEvent:
			if !inTimeline(e) {
				continue
			}
			f.batch++
			k := peerKey{ent, e.PeerID()}
			f.connections.want(k)
			switch e.(type) {
			case events.PeerMaintenanceScheduled:
				f.maintenances.want(maintenanceKey{k.Enterprise, k.ID, integer(list[i].Seq)})
				planned = append(planned, k)
			case events.PeerMaintenanceCancelled, events.PeerDeleted:
				planned = append(planned, k)
			}
		}
	}
	return f.load(ctx, tx, planned, removed)
}

// load reads what was asked for, the maintenances that peers have now, and all
// that belongs to enterprises that are removed.
func (f *timelineFold) load(ctx context.Context, tx *sqlx.Tx, planned []peerKey, removed []events.EnterpriseID) error {
	if err := f.connections.load(ctx, f.dialect, tx, f.generation); err != nil {
		return err
	}
	for _, ent := range removed { // what is still in it ends with it
		if err := f.connections.loadWhere(ctx, tx, f.generation, "enterprise = ? AND deleted = 0", ent); err != nil {
			return err
		}
	}
	at := func(c *connectionRow) {
		if c != nil && c.Maintenance != 0 {
			f.maintenances.want(c.maintenance())
		}
	}
	for _, k := range planned {
		at(f.connections.get(k))
	}
	if len(removed) > 0 {
		f.connections.each(func(c *connectionRow) {
			if slices.Contains(removed, c.Enterprise) {
				at(c)
			}
		})
	}
	return f.maintenances.load(ctx, f.dialect, tx, f.generation)
}

func (f *timelineFold) flush(ctx context.Context, tx *sqlx.Tx) error {
	keep := cacheFollowing
	if f.batch >= behind {
		keep = cacheBehind
	}
	if err := f.connections.flush(ctx, f.dialect, tx, f.generation, keep); err != nil {
		return err
	}
	if err := f.maintenances.flush(ctx, f.dialect, tx, f.generation, keep); err != nil {
		return err
	}
	slices.SortFunc(f.periods, func(a, b change[periodRow]) int { return a.now.compare(b.now) })
	t := periodTable()
	err := t.write(ctx, f.dialect, tx, f.generation, f.periods)
	clear(f.periods)
	f.periods = f.periods[:0]
	return err
}

// apply is the fold. As that of the directory it accepts every value, and
// refuses only what cannot follow on what was applied before.
func (f *timelineFold) apply(r events.Recorded) error {
	if _, ok := r.Event.(events.EnterpriseRemoved); ok {
		f.connections.each(func(c *connectionRow) {
			if c.Enterprise == r.Enterprise && !c.Deleted && c.LastSeq < integer(r.Seq) {
				f.end(c, r)
			}
		})
		return nil
	}
	e, ok := r.Event.(events.PeerEvent)
	if !ok || !inTimeline(e) {
		return nil
	}
	c := f.connections.get(peerKey{r.Enterprise, e.PeerID()})
	if c != nil && integer(r.Seq) <= c.LastSeq {
		return nil
	}
	_, adds := e.(events.PeerAdded)
	switch {
	case adds && c != nil && !c.Deleted:
		return misfit(r, "the peer exists already")
	case adds:
		next := &connectionRow{Enterprise: r.Enterprise, ID: e.PeerID()}
		if c != nil {
			next.Since = c.Since
		}
		c = next
		f.connections.put(c)
	case c == nil:
		return misfit(r, "there is no such peer")
	case c.Deleted && isProbe(e):
		return nil // the prober did not know yet
	case c.Deleted:
		return misfit(r, "the peer was deleted")
	}
	f.change(c, r)
	return nil
}

// change applies an event to a peer that is there.
func (f *timelineFold) change(c *connectionRow, r events.Recorded) {
	switch e := r.Event.(type) {
	case events.PeerDeleted:
		f.end(c, r)
		return
	case events.PeerMaintenanceScheduled:
		f.endMaintenance(c, r)
		f.schedule(c, r, e)
	case events.PeerMaintenanceCancelled:
		f.endMaintenance(c, r)
	default:
		before, now := c.connection(), c.connection()
		if !now.Apply(r) {
			return // a verdict about what the peer is not any more
		}
		c.connect(now)
		if !lasts(before, now) {
			f.begin(c, r, now)
		}
	}
	c.LastSeq = integer(r.Seq)
	f.connections.touch(c.key())
}

// lasts reports whether what a peer was before goes on: being disabled or N/A is
// of the configuration alone, and has no cause.
func lasts(before, now events.Connection) bool {
	return !now.Counts(now.From) && now.Status == before.Status && now.Since.Equal(before.Since)
}

// end closes the story of a peer.
func (f *timelineFold) end(c *connectionRow, r events.Recorded) {
	f.endMaintenance(c, r)
	c.Since = max(c.Since, micros(r.Time))
	f.begin(c, r, events.Connection{})
	c.Deleted, c.LastSeq = true, integer(r.Seq)
	f.connections.touch(c.key())
}

// begin adds the period that c has come to. As events.Connection has it, it begins
// no earlier than the one before it, so that the periods of a peer follow on one
// another.
func (f *timelineFold) begin(c *connectionRow, r events.Recorded, now events.Connection) {
	p := &periodRow{
		Enterprise: c.Enterprise, Peer: c.ID, Sequence: integer(r.Seq), Began: c.Since, Reported: micros(r.Time),
		Status: now.Status, CauseLayer: now.Cause.Layer, CauseCode: now.Cause.Code, CauseMessage: now.Cause.Message,
	}
	if e, ok := r.Event.(events.PeerStatusChanged); ok {
		p.ProbeStarted = micros(e.ProbeStarted)
	}
	f.periods = append(f.periods, change[periodRow]{now: p})
}

func (f *timelineFold) schedule(c *connectionRow, r events.Recorded, e events.PeerMaintenanceScheduled) {
	c.Maintenance = integer(r.Seq)
	f.maintenances.put(&maintenanceRow{
		Enterprise: c.Enterprise, Peer: c.ID, Sequence: c.Maintenance, Starts: micros(e.Start), Ends: micros(e.End),
		Note: e.Note, Actor: r.Actor, LastSeq: c.Maintenance,
	})
}

// endMaintenance notes that the maintenance at hand was cancelled or replaced, or
// has gone with its peer; one that was over before took place as announced. That
// its row is missing is for a comparison with the log to find: nothing that
// follows depends on it.
func (f *timelineFold) endMaintenance(c *connectionRow, r events.Recorded) {
	if c.Maintenance == 0 {
		return
	}
	if m := f.maintenances.get(c.maintenance()); m != nil && m.Ends > micros(r.Time) {
		m.EndedAt, m.LastSeq = max(micros(r.Time), 1), integer(r.Seq) // nought: it was not ended
		f.maintenances.touch(m.key())
	}
	c.Maintenance = 0
}

func (c *connectionRow) key() peerKey { return peerKey{c.Enterprise, c.ID} }

func (k maintenanceKey) compare(o maintenanceKey) int {
	return cmp.Or(cmp.Compare(k.Enterprise, o.Enterprise), cmp.Compare(k.Peer, o.Peer), cmp.Compare(k.Sequence, o.Sequence))
}
