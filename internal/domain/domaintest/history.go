package domaintest

import (
	"strconv"
	"time"

	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// Step is one command of a history, and what became of it.
type Step struct {
	Command  domain.Command
	Input    domain.Input
	Decision domain.Decision
	Refusal  error
	Recorded []events.Recorded // the decision's events as the log has them
}

// History is an enterprise at work: commands are decided, and what they make is
// folded into State.
type History struct {
	State *domain.Enterprise
	Log   []events.Recorded

	added map[byte]int
	now   time.Time
}

// NewHistory begins with a registered enterprise.
func NewHistory() *History {
	h := &History{State: domain.NewEnterprise(Enterprise), added: map[byte]int{}, now: Start()}
	r := Registered()
	h.Do(domain.RegisterEnterprise{ID: string(r.Enterprise), Description: r.Description, Domain: r.Domain, Server: domain.Server(r.Server)})
	return h
}

// Do gives one command, a minute after the one before. What it adds gets the
// next of the ids that Commands draws.
func (h *History) Do(cmd domain.Command) Step {
	h.now = h.now.Add(time.Minute)
	step := Step{Command: cmd, Input: domain.Input{Now: h.now, NewID: h.nextID(cmd)}}
	step.Decision, step.Refusal = domain.Decide(h.State, cmd, step.Input)
	if step.Refusal != nil || len(step.Decision.Events) == 0 {
		return step
	}
	if step.Input.NewID != "" && step.Decision.ID == step.Input.NewID {
		h.added[step.Input.NewID[0]]++
	}
	id := events.CommandID("c" + strconv.Itoa(len(h.Log)))
	step.Recorded = Record(Enterprise, h.State.Seq()+1, h.now, id, step.Decision.Events...)
	for _, r := range step.Recorded {
		if err := h.State.Evolve(r); err != nil {
			step.Refusal = err
		}
	}
	h.Log = append(h.Log, step.Recorded...)
	return step
}

// Histories draws the log of an enterprise that was given up to most commands.
func Histories(most int) *rapid.Generator[[]events.Recorded] {
	return rapid.Custom(func(t *rapid.T) []events.Recorded {
		h := NewHistory()
		for range rapid.IntRange(0, most).Draw(t, "length") {
			h.Do(Commands().Draw(t, "command"))
		}
		return h.Log
	})
}

func (h *History) nextID(cmd domain.Command) string {
	kind := byte('p')
	switch cmd.(type) {
	case domain.AddPeer, domain.PutPeer:
	case domain.ChangePeers: // what it adds has ids derived from this one
		return "bulk" + strconv.Itoa(len(h.Log))
	case domain.AddTrustedServer:
		kind = 't'
	default:
		return ""
	}
	return string(kind) + strconv.Itoa(h.added[kind])
}
