package command

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

func TestOrder_whatTheLogCannotKeepIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Request)
		code   domain.Code
		field  string
	}{
		"no command":                 {func(r *Request) { r.Command = nil }, domain.Malformed, ""},
		"enterprise too short":       {func(r *Request) { r.Enterprise = "abc" }, domain.Invalid, "enterprise"},
		"enterprise with a dot":      {func(r *Request) { r.Enterprise = "acme.x" }, domain.Invalid, "enterprise"},
		"enterprise with a wildcard": {func(r *Request) { r.Enterprise = "acme>" }, domain.Invalid, "enterprise"},
		"command id with a dot":      {func(r *Request) { r.ID = "a.b" }, domain.Invalid, "command_id"},
		"command id too long":        {func(r *Request) { r.ID = events.CommandID(strings.Repeat("a", 129)) }, domain.Invalid, "command_id"},
		"reason too long":            {func(r *Request) { r.Reason = strings.Repeat("é", maxReason+1) }, domain.Invalid, "reason"},
		"reason with a line break":   {func(r *Request) { r.Reason = "a\nb" }, domain.Malformed, "reason"},
		"reason with C1 control":     {func(r *Request) { r.Reason = "a\u0085b" }, domain.Malformed, "reason"},
		"reason not UTF-8":           {func(r *Request) { r.Reason = "a\xff" }, domain.Malformed, "reason"},
		"actor too long":             {func(r *Request) { r.Actor = strings.Repeat("a", maxActor+1) }, domain.Invalid, "actor"},
		"actor with NUL":             {func(r *Request) { r.Actor = "a\x00b" }, domain.Malformed, "actor"},
		"on behalf of, DEL":          {func(r *Request) { r.OnBehalfOf = "a\x7fb" }, domain.Malformed, "on_behalf_of"},
		"correlation too long":       {func(r *Request) { r.CorrelationID = strings.Repeat("a", maxTrace+1) }, domain.Invalid, "correlation_id"},
		"causation, CR LF":           {func(r *Request) { r.CausationID = "a\r\nreason: b" }, domain.Malformed, "causation_id"},
	} {
		b := inMemory()
		req := register(acme)
		c.change(&req)
		if refusal := mustRefuseAny(t, b.handler(), req); refusal.Code != c.code || refusal.Field != c.field || refusal.Msg == "" {
			t.Errorf("%s: got %+v; want %s of %q", name, refusal, c.code, c.field)
		}
		if n := len(history(t, b)); n != 0 {
			t.Errorf("%s: %d events", name, n)
		}
	}
}

// mustRefuseAny is mustRefuse for requests that may lack a command.
func mustRefuseAny(t *testing.T, h *Handler, req Request) *domain.Error {
	t.Helper()
	_, err := h.Handle(t.Context(), req)
	var refusal *domain.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("got %v; want a refusal", err)
	}
	return refusal
}

// Nothing was decided about the command: the client puts right what is wrong
// beside it and repeats.
func TestOrder_whatTravelsAlongCanBePutRightUnderTheSameID(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*Request)
		code  domain.Code
	}{
		"reason too long":            {func(r *Request) { r.Reason = strings.Repeat("a", maxReason+1) }, domain.Invalid},
		"reason with a line break":   {func(r *Request) { r.Reason = "a\nb" }, domain.Malformed},
		"on behalf of, too long":     {func(r *Request) { r.OnBehalfOf = strings.Repeat("a", maxActor+1) }, domain.Invalid},
		"causation, too long":        {func(r *Request) { r.CausationID = strings.Repeat("a", maxTrace+1) }, domain.Invalid},
		"revision of something else": {func(r *Request) { r.IfRevision = new(events.Seq(7)) }, domain.Stale},
	} {
		t.Run(name, func(t *testing.T) {
			b := inMemory()
			right := withID("c1", register(acme))
			wrong := right
			c.spoil(&wrong)
			mustRefuse(t, b.handler(), wrong, c.code)
			if out, ok := keptOutcome(t, b, "c1"); ok {
				t.Errorf("an outcome was kept: %+v", out)
			}
			r := must(t, b.handler(), right)
			if r.Repeated {
				t.Error("the refusal counts as the first outcome")
			}
			// What is in effect is answered, whatever travels with the repeat.
			sameEffect(t, r, must(t, b.handler(), wrong))
		})
	}
}

func TestOrder_wrongBodyIsRememberedWhateverTravelsAlong(t *testing.T) {
	b := inMemory()
	rev := must(t, b.handler(), register(acme)).Sequence
	wrong := withID("c1", Request{Enterprise: acme, Command: domain.DescribeEnterprise{Description: "a|b"}})
	wrong.IfRevision, wrong.Reason = &rev, "why"
	first := mustRefuse(t, b.handler(), wrong, domain.Invalid)
	mustKeep(t, b, "c1", Rejected)
	wrong.IfRevision, wrong.Reason = nil, "a\nb"
	if diff := cmp.Diff(first, mustRefuse(t, b.handler(), wrong, domain.Invalid)); diff != "" {
		t.Error(diff)
	}
}

func TestOrder_longestAndStrangestTextsAreKept(t *testing.T) {
	b := inMemory()
	req := register(acme)
	req.Reason = strings.Repeat("é", maxReason)
	req.Actor = strings.Repeat("世", maxActor)
	req.OnBehalfOf = "  \u00a0Zoë \u00a0 "
	must(t, b.handler(), req)
	got := history(t, b)[0]
	if got.Reason != req.Reason || got.Actor != req.Actor || got.OnBehalfOf != "Zoë" {
		t.Errorf("got %q, %q, %q", got.Reason, got.Actor, got.OnBehalfOf)
	}
}

func TestOrder_enterpriseIsInLowerCase(t *testing.T) {
	b := inMemory()
	req := register(acme)
	req.Enterprise = "ACME"
	must(t, b.handler(), req)
	mustRefuse(t, b.handler(), register(acme), domain.Exists)
}

func TestOrder_wrongTraceparentIsLeftOut(t *testing.T) {
	const right = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for trace, want := range map[string]string{
		right: right, "": "", "x": "", right + "\n": "", strings.ToUpper(right): "",
		right[1:]: "", right + "-1": "", strings.ReplaceAll(right, "f", "g"): "",
	} {
		b := inMemory()
		req := register(acme)
		req.Traceparent = trace
		must(t, b.handler(), req)
		if got := history(t, b)[0].Traceparent; got != want {
			t.Errorf("%q became %q", trace, got)
		}
	}
}

func TestMetrics_countCommandsByResult(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	b := inMemory()
	store := &hookedStore{Store: b.store}
	other := b.handler()
	b.store = store
	h := New(b.store, b.outcomes, b.snapshots, Options{Metrics: reg})
	must(t, h, register(acme))
	mustRefuse(t, h, register(acme), domain.Exists)
	must(t, other, addPeer("Paris"))
	must(t, h, addPeer("Berlin"))
	store.beforeAppend = fail
	if _, err := h.Handle(t.Context(), addPeer("Rome")); err == nil {
		t.Fatal("accepted")
	}
	got := map[string]float64{}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	want := map[string]float64{
		"peering_commands_total RegisterEnterprise accepted": 1,
		"peering_commands_total RegisterEnterprise rejected": 1,
		"peering_commands_total AddPeer accepted":            1,
		"peering_commands_total AddPeer failed":              1,
		"peering_command_duration_seconds":                   4,
		"peering_append_conflicts_total":                     1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
