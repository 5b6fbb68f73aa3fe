package readmodel

import (
	"container/list"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/peering/peering/internal/events"
)

// pagesKept is how many bytes of pages are kept: about 300 pages of 100 peers.
const pagesKept = 32 << 20

// pageKey is all that the rows of a page of peers depend on, except how far the
// enterprise is.
type pageKey struct {
	table         string
	streamCreated int64
	enterprise    events.EnterpriseID
	query         PeerQuery // without Enabled, which is a pointer
	enabled       string
	unprobed      unprobedKey
}

func pageKeyOf(row stateRow, ent events.EnterpriseID, q PeerQuery, u *Unprobed) pageKey {
	k := pageKey{table: row.generation().table(peers), streamCreated: row.StreamCreated, enterprise: ent, query: q, unprobed: u.key()}
	if q.Enabled != nil {
		k.enabled = map[bool]string{true: "yes", false: "no"}[*q.Enabled]
		k.query.Enabled = nil
	}
	return k
}

// peerPages keeps the pages of peers that were read last, each with the last
// sequence of its enterprise: every event of an enterprise raises that, so that
// a page is as the tables have it exactly while the two agree. Whoever looks
// for a page has read the sequence in the transaction that he would read the
// page in. What the last probes found moves without an event: it counts for
// probesKept. It is safe for concurrent use.
type peerPages struct {
	limit int
	now   func() time.Time

	mu    sync.Mutex
	byKey map[pageKey]*list.Element // of *keptPage
	order *list.List                // the one used last is in front
	bytes int
}

type keptPage struct {
	key     pageKey
	lastSeq int64
	page    Page[Peer]
	bytes   int
	probed  time.Time // when the last probes were read
}

// probesKept is for how long a page shows the last probes that were read with it.
const probesKept = time.Second

func newPeerPages(limit int) *peerPages {
	return &peerPages{limit: limit, now: time.Now, byKey: map[pageKey]*list.Element{}, order: list.New()}
}

// get returns the page, unless it is not kept as of lastSeq, and whether the last
// probes in it were read just now. The rows are the caller's own; what they point
// to is not.
func (p *peerPages) get(k pageKey, lastSeq int64) (page Page[Peer], ok, probed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.find(k, lastSeq)
	if kept == nil {
		return Page[Peer]{}, false, false
	}
	page = kept.page
	page.Items = slices.Clone(page.Items)
	return page, true, p.now().Sub(kept.probed) < probesKept
}

// find returns what is kept of a page as of lastSeq; nil: nothing.
func (p *peerPages) find(k pageKey, lastSeq int64) *keptPage {
	e, ok := p.byKey[k]
	if !ok {
		return nil
	}
	kept := e.Value.(*keptPage) //nolint:forcetypeassert // nothing else is put in
	if kept.lastSeq != lastSeq {
		return nil
	}
	p.order.MoveToFront(e)
	return kept
}

// renew keeps the rows of a page with the last probes that were read now, if the
// page is still kept.
func (p *peerPages) renew(k pageKey, lastSeq int64, items []Peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if kept := p.find(k, lastSeq); kept != nil {
		kept.page.Items, kept.probed = slices.Clone(items), p.now()
	}
}

// put keeps a page as of lastSeq instead of what was kept of it, and lets those
// go that were not used for longest. One that would push out most of the others
// is not kept.
func (p *peerPages) put(k pageKey, lastSeq int64, page Page[Peer], bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e, ok := p.byKey[k]; ok {
		p.drop(e)
	}
	if bytes > p.limit/4 {
		return
	}
	page.Items = slices.Clone(page.Items)
	p.byKey[k] = p.order.PushFront(&keptPage{k, lastSeq, page, bytes, p.now()})
	for p.bytes += bytes; p.bytes > p.limit; {
		p.drop(p.order.Back())
	}
}

func (p *peerPages) drop(e *list.Element) {
	kept := p.order.Remove(e).(*keptPage) //nolint:forcetypeassert // nothing else is put in
	delete(p.byKey, kept.key)
	p.bytes -= kept.bytes
}

// pageBytes is about what a page of these rows takes, with its key.
func pageBytes(k pageKey, rows []listedPeer) int {
	const allocations = 200 // what a row points to, beside its texts
	n := int(unsafe.Sizeof(keptPage{})) + 2*(len(k.query.Cursor)+len(k.query.Q)+len(k.query.Description)) + k.unprobed.bytes()
	for i := range rows {
		r := &rows[i]
		n += int(unsafe.Sizeof(Peer{})) + allocations + len(r.ID) + len(r.Type) + len(r.Description) + len(r.Hostname) +
			len(r.Address) + len(r.Host) + len(r.PeerEnterpriseID) + len(r.DialingPrefix) + len(r.Version) + len(r.Status) +
			len(r.CauseLayer) + len(r.CauseCode) + len(r.CauseMessage) + len(r.DeletedBy) + len(r.DeletedReason) +
			2*(len(r.Certificate)+len(r.Notice)+len(r.Maintenance))
	}
	return n
}
