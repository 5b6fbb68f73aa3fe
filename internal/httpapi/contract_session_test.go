package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// session is a run through the API on the real stack.
type session struct {
	*contract
	stack  *stack
	parked *stackParked
	ids    map[string]string // for the places of paths
}

// step is one request that must succeed. The steps of a session come one after
// the other: an operation that is added to the API needs one entry.
type step struct {
	op      string
	query   string
	body    string   // empty: the operation's first example, if it has a body
	headers []string // in pairs
	ids     string   // "name=value …": sets what paths name before the request
	keep    string   // the place that the id of the answer is for
	before  func(*session)
}

// steps succeed with every operation of the document, in every form of answer.
func steps() []step {
	const lines = typeNDJSON
	soon := time.Now().Add(time.Hour).UTC()
	return []step{
		{op: "register-enterprise", ids: "enterprise=acme", headers: []string{"Idempotency-Key", "used-key"}},
		{op: "list-enterprises", query: "q=acme&sort=-description&limit=10"},
		{op: "show-enterprise"},
		{op: "edit-enterprise", headers: []string{"Reason", "Because", "Actor", "j.doe", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}},
		{op: "add-peer", body: `{"type":"external","description":"Partner"}`},
		{op: "add-peer", body: `{"type":"micollab","description":"Paris","hostname":"uc1.paris.example","peer_enterprise_id":"paris"}`, keep: "peer"},
		{op: "show-peer"},
		{op: "edit-peer"},
		{op: "disable-peer"},
		{op: "list-peers", query: "enabled=false"},
		{op: "enable-peer", headers: []string{"If-Match", "*"}},
		{op: "acknowledge-notice", before: func(s *session) { // what this side changes, the other has to be told
			s.stack.write(200, "PATCH", enterpriseURL, `{"server":{"hostname":"uc9.acme.example"}}`)
		}},
		{op: "schedule-maintenance", body: fmt.Sprintf(`{"start":%q,"end":%q}`, soon.Format(time.RFC3339), soon.Add(time.Hour).Format(time.RFC3339))},
		{op: "show-peer"},
		{op: "cancel-maintenance"},
		{op: "probe-peer"},
		{op: "test-peer", body: `{"hostname":"uc1.rome.example"}`},
		{op: "list-samples", query: "limit=5"},
		{op: "show-timeline", query: "limit=5"},
		{op: "check-presence"},
		{op: "list-maintenances"},
		{op: "show-uptime", query: "by=week&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00%2B01:00"},
		{op: "change-peers", body: `{"operations":[` + put(1) + `]}`},
		{op: "change-peers", query: "dry_run=true", body: put(2) + "\n" + `{"op":"disable","peer":"nobody"}`, headers: []string{"Content-Type", lines}},
		{op: "list-trusted-servers"},
		{op: "list-all-trusted-servers", query: "enterprise=acme"},
		{op: "add-trusted-server", keep: "trusted_server"},
		{op: "show-trusted-server"},
		{op: "edit-trusted-server"},
		{op: "remove-trusted-server"},
		{op: "list-events", query: "enterprise=acme&from=1&sort=-sequence"},
		{op: "list-events", headers: []string{"Accept", lines}},
		{op: "show-peer-history"},
		{op: "show-peer-history", headers: []string{"Accept", lines}},
		{op: "stream-events", query: "after_seq=0"},
		{op: "delete-peer"},
		{op: "list-peers", query: "deleted=true"},
		{op: "list-projections"},
		{op: "show-projection", ids: "projection=directory"},
		{op: "verify-projection"},
		{op: "rebuild-projection", ids: "projection=audit"},
		{op: "list-dead-events", ids: "projection=directory", before: (*session).bury},
		{op: "show-dead-event"},
		{op: "retry-dead-event"},
		{op: "discard-dead-event"},
		{op: "list-dead-events", query: "discarded=true"},
		{op: "list-parked-commands", before: (*session).park},
		{op: "show-parked-command"},
		{op: "retry-parked-command"},
		{op: "show-parked-command"},
		{op: "discard-parked-command", before: (*session).park},
		{op: "show-parked-command"},
		{op: "list-parked-commands", query: "decided=true&enterprise=acme&limit=1"},
		{op: "register-enterprise", body: strings.NewReplacer("Acme", "gone", "acme", "gone").Replace(hq)},
		{op: "remove-enterprise", ids: "enterprise=gone"},
		// From here on callers need a token.
		{op: "create-token", body: `{"role":"admin"}`, keep: "token"},
		{op: "list-tokens"},
		{op: "create-token", body: `{"role":"viewer","note":"to revoke"}`, keep: "token"},
		{op: "show-token"},
		{op: "revoke-token"},
		{op: "list-tokens", query: "revoked=true"},
	}
}

// bury puts an event into the log that no projection can apply.
func (s *session) bury() {
	s.stack.write(201, "POST", enterprisesURL, strings.NewReplacer("Acme", "sick", "acme", "sick").Replace(hq))
	at := s.stack.log.Put(string(events.ConfigSubject("sick")), nil, []byte("{}"))
	s.stack.seen = at
	s.ids["sequence"] = strconv.FormatUint(uint64(at), 10)
	testkit.Eventually(s.t, "the event to be buried", func() bool {
		_, err := s.stack.db.DeadEvent(s.t.Context(), "directory", at)
		return err == nil
	})
}

func newSession(t testing.TB) *session {
	t.Helper()
	s := &session{contract: newContract(t), stack: newStack(t), ids: map[string]string{
		"enterprise": "acme", "peer": "p1", "trusted_server": "t1", "projection": "directory", "sequence": "57", "token": "t1",
	}}
	operations := newStackOperations(t, s.stack)
	s.parked = newStackParked(t, s.stack)
	ending := make(chan struct{}) // so that a stream ends with what there is
	close(ending)
	s.stack.http = newAPI(t, nil, nil, func(o *Options) {
		o.Ending = ending
		o.Backends = func() Backends {
			b := s.stack.backends()
			b.Operations, b.Parked = operations, s.parked
			return b
		}
	})
	return s
}

// target is the path of op, filled with what the session has.
func (s *session) target(op documented, query string) string {
	path := op.path
	for name, id := range s.ids {
		path = strings.ReplaceAll(path, "{"+name+"}", id)
	}
	if query != "" {
		path += "?" + query
	}
	return path
}

// query adds min_seq to what op is asked, if it takes it.
func (s *session) query(op documented, query string) string {
	if op.takes("min_seq") {
		query = strings.TrimPrefix(query+"&min_seq="+strconv.FormatUint(uint64(s.stack.seen), 10), "&")
	}
	return query
}

func (s *session) run(list []step) {
	s.t.Helper()
	secret := ""
	for _, st := range list {
		if st.before != nil {
			st.before(s)
		}
		for _, id := range strings.Fields(st.ids) {
			name, value, _ := strings.Cut(id, "=")
			s.ids[name] = value
		}
		op := s.operation(st.op)
		body := st.body
		if body == "" {
			body = op.example("")
		}
		headers := st.headers
		if secret != "" {
			headers = append(headers, "Authorization", "Bearer "+secret)
		}
		a := s.send(s.stack.http, op, s.target(op, s.query(op, st.query)), body, headers...)
		if a.Code != op.status() {
			s.t.Errorf("%s: status %d, want %d: %.500s", st.op, a.Code, op.status(), a.Body)
			continue
		}
		if op.method != http.MethodGet {
			s.learn(st, a, &secret)
		}
	}
}

// learn takes from the answer to a write what later steps need.
func (s *session) learn(st step, a answer, secret *string) {
	got := into[struct {
		ID, Token string
		Sequence  events.Seq
	}](s.t, a)
	if got.ID != "" { // else it is the sequence of something else
		s.stack.seen = max(s.stack.seen, got.Sequence)
	}
	if st.keep != "" {
		s.ids[st.keep] = got.ID
	}
	if got.Token != "" && *secret == "" {
		*secret = got.Token
	}
}

// TestContract_everyOperationSucceedsAsDocumented: every operation × success ×
// media type of the document is exercised, without exception.
func TestContract_everyOperationSucceedsAsDocumented(t *testing.T) {
	s := newSession(t)
	s.run(steps())
	for _, op := range s.operations() {
		for status, r := range op.Responses {
			code, err := strconv.Atoi(status)
			if err != nil || code >= 300 {
				continue
			}
			for media := range r.Content {
				if key := success(op, code, media); !s.succeeded[key] {
					t.Errorf("no step exercises %s", key)
				}
			}
		}
	}
}
