package bus

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
)

// dying is a Writer whose process dies after it has done what it was asked for.
type dying struct {
	Writer

	after func(id string)
}

func (d *dying) over(w Writer) { d.Writer = w }

func (d *dying) Handle(ctx context.Context, req command.Request) (command.Receipt, error) {
	r, err := d.Writer.Handle(ctx, req)
	d.after(string(req.ID))
	return r, err
}

// A command that took effect is acknowledged in the end, however many processes
// died between its outcome and the acknowledgement: it did come to an end.
func TestSuspected_whatHasAnOutcomeIsNotParked(t *testing.T) {
	w := single(t)
	w.quick(300 * time.Millisecond)
	dead := make(chan struct{})
	defer close(dead)
	var killed atomic.Int32
	mortal := func(p *parts) {
		p.writer = &dying{after: func(id string) {
			if id == "c1" && killed.Load() < maxDeliveries {
				killed.Add(1)
				<-dead
			}
		}}
	}
	p := w.start(mortal, allIsWell)
	w.register("acme")
	w.publish("acme.AddPeer", "c1", addition("Berlin"))
	w.keepsDying(p, &killed, maxDeliveries, mortal, allIsWell)
	w.idle()
	if list := w.parked(); len(list) > 0 {
		t.Errorf("parked: %+v", list)
	}
	if out := w.outcome("acme", "c1"); out.Result != command.Accepted {
		t.Errorf("got %+v", out)
	}
	if all := w.history("acme"); len(all) != 2 {
		t.Errorf("%d events; want 2", len(all))
	}
}

// A command that brings down whoever handles it is put aside, too, when its id has
// the outcome of another command.
func TestSuspected_outcomeOfAnotherCommandDoesNotHelpForEver(t *testing.T) {
	w := single(t)
	w.quick(200 * time.Millisecond)
	dead := make(chan struct{})
	defer close(dead)
	var killed atomic.Int32
	deadly := hooking(func(_ context.Context, req command.Request) error {
		if cmd, ok := req.Command.(domain.DescribeEnterprise); ok && cmd.Description == "deadly" {
			killed.Add(1)
			<-dead
		}
		return nil
	})
	p := w.start(deadly, allIsWell)
	w.register("acme")
	w.publish("acme.DescribeEnterprise", "register", describing("deadly"))
	w.publish("acme.AddPeer", "c2", addition("Paris"))
	w.keepsDying(p, &killed, hopeless-1, deadly, allIsWell)
	if out := w.outcome("acme", "c2"); out.Result != command.Accepted {
		t.Errorf("got %+v", out)
	}
	if list := w.parked(); len(list) != 1 || list[0].Reason != parkTooManyDeliveries || list[0].Deliveries != hopeless {
		t.Errorf("parked: %+v", list)
	}
}
