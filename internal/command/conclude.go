package command

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// Conclusion is the end of something that had a command id and is not carried
// out: it never became a command, its sender has no right to give it, or an
// operator decided that it is not handled any more.
type Conclusion struct {
	Enterprise events.EnterpriseID
	ID         events.CommandID
	Name       domain.CommandName // as it came
	Body       []byte             // as it came: with Name it tells a repeat from another command
	Result     Result             // Rejected or Failed
	Error      *domain.Error
}

// maxName is how much of a name that came is kept.
const maxName = 64

// Conclude keeps the outcome of what is not carried out, and returns the one
// that stands for its id: this one, or an earlier one of the same command. The
// steps are those of a refusal, see Handler. It ends within five seconds.
//
// A *domain.Error means that nothing was kept: with the code IDReused the id
// belongs to another command, whose outcome stands; otherwise enterprise or id
// are none. Any other error wraps ErrUnavailable, ErrFull or ctx's error, as
// that of Handle does.
func (h *Handler) Conclude(ctx context.Context, c Conclusion) (Outcome, error) {
	o, err := c.order()
	if err != nil {
		return Outcome{}, err
	}
	inTime, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	e, err := h.cache.acquire(inTime, o.Enterprise)
	if err != nil {
		return Outcome{}, unavailable(ctx, o, fmt.Errorf("waiting for earlier commands: %w", err))
	}
	defer h.release(e)
	out, err := h.concludeWith(inTime, e, o, c)
	return out, unavailable(ctx, o, err)
}

// order checks where the outcome goes. It has the command if the body is one: so
// a repeat of that is recognised, however it is written.
func (c Conclusion) order() (*order, error) {
	ent, err := events.ParseEnterpriseID(string(c.Enterprise))
	if err != nil {
		return nil, idFault("enterprise", err)
	}
	if _, err := events.ParseCommandID(string(c.ID)); err != nil {
		return nil, idFault("command_id", err)
	}
	o := &order{Request: Request{Enterprise: ent, ID: c.ID}}
	if cmd, err := Decode(c.Name, c.Body); err == nil {
		o.Command, o.hash = cmd, Hash(cmd)
		return o, nil
	}
	name := clipTo(strings.ToValidUTF8(string(c.Name), "\uFFFD"), maxName)
	o.Command, o.hash = noCommand{name: domain.CommandName(name)}, c.hash()
	return o, nil
}

// noCommand stands for the command in an order that has none.
type noCommand struct{ name domain.CommandName }

func (c noCommand) Name() domain.CommandName { return c.name }

// hash is one over what came, and never that of a command.
func (c Conclusion) hash() string {
	h := sha256.New()
	write(h, "")
	write(h, string(c.Name))
	write(h, string(c.Body))
	return hex.EncodeToString(h.Sum(nil))
}

func (h *Handler) concludeWith(ctx context.Context, e *entry, o *order, c Conclusion) (Outcome, error) {
	if err := h.newest(ctx, e); err != nil {
		return Outcome{}, err
	}
	if known, ok := o.remembered(e.state); ok {
		return h.recallOutcome(ctx, o, known)
	}
	out := o.outcome(h.now().UTC().Truncate(time.Microsecond))
	out.Result, out.Error = c.Result, c.Error
	stands, _, err := h.keep(ctx, o, out)
	if err != nil {
		return Outcome{}, err
	}
	if _, err := h.refresh(ctx, e); err != nil {
		return Outcome{}, err
	}
	if known, ok := o.remembered(e.state); ok {
		return h.recallOutcome(ctx, o, known)
	}
	if stands.Hash != o.hash {
		return Outcome{}, reused(o.ID)
	}
	return stands, nil
}

// recallOutcome is the outcome of an order whose id is in the log: what it did
// stands, though nobody may do it now.
func (h *Handler) recallOutcome(ctx context.Context, o *order, known domain.RememberedCommand) (Outcome, error) {
	if known.Hash != o.hash {
		return Outcome{}, reused(o.ID)
	}
	out := o.acceptedBefore(known)
	_, err := h.settle(ctx, o, out)
	return out, err
}
