package prober

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/probe"
)

// How often the events of a certificate or version that was noted before may
// come again: servers behind one name may show several in turn.
const (
	certificateAgain = 6 * time.Hour
	certificateMore  = time.Hour // one more than those that are known, when they are many
	versionAgain     = 5 * time.Minute
)

// maxResolved is how many addresses an event names.
const maxResolved = 16

// shownOf are the events of what a peer showed to one probe, when it is another
// thing than before.
func shownOf(t *Target, res *probe.Result) []events.Event {
	var out []events.Event
	config := t.Connection.From
	if c := res.Certificate; c != nil && newCertificate(t, c, res.Started) {
		seen := *c
		seen.Peer, seen.ConfigSeq = t.Peer, config
		out = append(out, seen)
	}
	if v := res.Version; v != "" && v != t.Version && domain.CheckVersion(v) == nil &&
		(t.Version == "" || res.Started.Sub(t.VersionAt) >= versionAgain) {
		out = append(out, events.PeerVersionDetected{Peer: t.Peer, From: t.Version, To: v, ConfigSeq: config})
	}
	return out
}

// changeOf is the event of a change of status. From is the status that the peer
// is judged from and not the one that was followed: the log may not have brought
// what was reported last.
func changeOf(t *Target, from events.Status, res *probe.Result, change *domain.Change) events.Event {
	return events.PeerStatusChanged{
		Peer: t.Peer, From: from, To: change.To, Cause: change.Cause, Since: micro(change.Since),
		ConfigSeq: t.Connection.From, ProbeStarted: micro(res.Started), Resolved: resolved(res),
	}
}

func newCertificate(t *Target, c *events.PeerCertificateSeen, now time.Time) bool {
	if c.Fingerprint == t.Certificate {
		return false
	}
	since := now.Sub(t.CertificateAt)
	if slices.Contains(t.Certificates, c.Fingerprint) {
		return since >= certificateAgain
	}
	return len(t.Certificates) < maxFingerprints || since >= certificateMore
}

func resolved(res *probe.Result) []string {
	var out []string
	for _, a := range res.Addresses[:min(len(res.Addresses), maxResolved)] {
		out = append(out, a.String())
	}
	return out
}

// micro is a time as events keep it.
func micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// errOutdated says that somebody else reported on the peer since.
var errOutdated = errors.New("prober: somebody else has reported on the peer")

// append adds the events of one peer behind after, one by one: none needs the
// others, and the log takes single events many times faster than batches, which
// matters when thousands of peers are new. It returns the sequence of the last
// that was written; 0: none was. errOutdated: the one that failed was not
// written, and what the peer is judged by has to be read again. Any other error:
// perhaps written; the log tells.
func (p *Prober) append(ctx context.Context, t *Target, after events.Seq, list []events.Event) (events.Seq, error) {
	correlation := "probe-" + uuid.NewString()
	var last events.Seq
	for i, e := range list {
		id := events.CommandID(correlation + "-" + strconv.Itoa(i))
		seq, err := p.o.Store.Append(ctx, events.StatusSubject(t.Enterprise, t.Peer), after, events.Envelope{
			ID: events.NewEventID(t.Enterprise, id, 0), Enterprise: t.Enterprise, Time: micro(time.Now()),
			CommandID: id, Count: 1, CorrelationID: correlation, Actor: "prober:" + p.id, Event: e,
		})
		var conflict *eventstore.ConflictError
		switch {
		case errors.As(err, &conflict):
			return last, fmt.Errorf("%w: %w", errOutdated, err)
		case err != nil:
			return last, err
		}
		after, last = seq, seq
	}
	return last, nil
}
