package eventstore

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
)

// The headers of a parked command. Nothing else of what came with it is kept: a
// header can be a word to the server.
const (
	headerTail        = "Peering-Tail"
	headerCommand     = "Peering-Command"
	headerCommandID   = "Peering-Command-Id"
	headerParkReason  = "Peering-Park-Reason"
	headerDetail      = "Peering-Detail"
	headerActor       = "Peering-Actor"
	headerOnBehalfOf  = "Peering-On-Behalf-Of"
	headerWhy         = "Peering-Why"
	headerCorrelation = "Peering-Correlation-Id"
	headerCausation   = "Peering-Causation-Id"
	headerTraceparent = "Peering-Traceparent"
	headerSource      = "Peering-Source"
	headerDeliveries  = "Peering-Deliveries"
	headerBodySize    = "Peering-Body-Size"

	headerParkedAt   = "Peering-Parked-At"
	headerAction     = "Peering-Decision"
	headerDecidedBy  = "Peering-Decided-By"
	headerDecidedAt  = "Peering-Decided-At"
	headerDecidedWhy = "Peering-Decision-Reason"

	// headerSize is the server's, on a message whose body was left out.
	headerSize = "Nats-Msg-Size"
)

const (
	parkedValue = 2048     // bytes of a header that are kept
	parkedBody  = 64 << 10 // bytes of a body that are kept
	decidedBody = 4 << 10  // and with a decision

	// cutMark ends a value of which not all is kept.
	cutMark = " …"
	// nobody stands in a subject in the place of what cannot stand there.
	nobody = "_"
)

// parkedSubject is where a command is parked.
func parkedSubject(c *ParkedCommand) string {
	return parkedRoot + enterpriseToken(c.Enterprise) + "." + commandToken(c.Command)
}

func enterpriseToken(ent events.EnterpriseID) string {
	id, err := events.ParseEnterpriseID(string(ent))
	if err != nil {
		return nobody
	}
	return string(id)
}

func commandToken(name string) string {
	if !isCommandName(name) {
		return nobody
	}
	return name
}

// isCommandName reports whether s can be the name of a command, of this program
// or another version: up to 64 letters and digits.
func isCommandName(s string) bool {
	return s != "" && len(s) <= 64 && strings.IndexFunc(s, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) < 0
}

// parkedHeader is what is kept of a command besides its body.
func parkedHeader(c *ParkedCommand) nats.Header {
	h := nats.Header{}
	for name, value := range map[string]string{
		headerTail: cleanTail(c.Tail), headerCommand: commandToken(c.Command), headerCommandID: string(c.CommandID),
		headerParkReason: c.Reason, headerDetail: c.Detail, headerActor: c.Actor, headerOnBehalfOf: c.OnBehalfOf, headerWhy: c.Why,
		headerCorrelation: c.CorrelationID, headerCausation: c.CausationID, headerTraceparent: c.Traceparent,
		headerSource: number(uint64(c.Source)), headerDeliveries: number(c.Deliveries), headerBodySize: number(uint64(max(c.BodySize, len(c.Body)))),
	} {
		if value = clean(value); value != "" {
			h.Set(name, value)
		}
	}
	return h
}

// number is empty for 0.
func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

// decisionHeader adds a decision to the header of the command.
func decisionHeader(c *ParkedCommand, d ParkedDecision) nats.Header {
	h := parkedHeader(c)
	h.Set(headerParkedAt, c.At.UTC().Format(time.RFC3339Nano))
	h.Set(headerAction, clean(d.Action))
	h.Set(headerDecidedBy, clean(d.By))
	h.Set(headerDecidedAt, d.At.UTC().Format(time.RFC3339Nano))
	h.Set(headerDecidedWhy, clean(d.Reason))
	return h
}

// clean makes a value one that a header can carry and anybody can be shown: one
// line of valid UTF-8 without control characters, not too long.
func clean(s string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError))))
	if len(s) <= parkedValue {
		return s
	}
	s = s[:parkedValue-len(cutMark)]
	for s != "" && !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return strings.TrimSpace(s) + cutMark
}

// cleanTail marks a tail that is not what was published: what stands at its end
// says who published it, and is not to be lost on the way to another try.
func cleanTail(s string) string {
	c := clean(s)
	if c == s || strings.HasSuffix(c, cutMark) {
		return c
	}
	return clean(c[:min(len(c), parkedValue/2)]) + cutMark
}

// parsedParked is the command in a message of the stream. Whoever may write
// there can store anything: what cannot be read comes out empty.
func parsedParked(m events.Message) (c ParkedCommand, ok bool) {
	h := nats.Header(m.Header)
	root, rest, _ := strings.Cut(strings.TrimPrefix(m.Subject, "peering."), ".")
	token, last, _ := strings.Cut(rest, ".")
	c = ParkedCommand{
		Seq: m.Seq, At: m.Stored.UTC(), Tail: cleanTail(h.Get(headerTail)),
		Command: h.Get(headerCommand), Reason: clean(h.Get(headerParkReason)), Detail: clean(h.Get(headerDetail)),
		Actor: clean(h.Get(headerActor)), OnBehalfOf: clean(h.Get(headerOnBehalfOf)), Why: clean(h.Get(headerWhy)),
		CorrelationID: clean(h.Get(headerCorrelation)), CausationID: clean(h.Get(headerCausation)), Traceparent: clean(h.Get(headerTraceparent)),
		Source: events.Seq(parsedNumber(h.Get(headerSource))), Deliveries: parsedNumber(h.Get(headerDeliveries)),
		Body: m.Data,
	}
	c.BodySize = max(len(m.Data), int(min(parsedNumber(h.Get(headerBodySize)), 1<<30)), int(min(parsedNumber(h.Get(headerSize)), 1<<30)))
	if enterpriseToken(events.EnterpriseID(token)) == token && token != nobody {
		c.Enterprise = events.EnterpriseID(token)
	}
	if !isCommandName(c.Command) {
		c.Command = ""
	}
	if id, err := events.ParseCommandID(h.Get(headerCommandID)); err == nil {
		c.CommandID = id
	}
	if root+"." != strings.TrimPrefix(decidedRoot, "peering.") {
		return c, true
	}
	seq, err := strconv.ParseUint(last, 10, 64)
	c.Seq, c.At = events.Seq(seq), parsedTime(h.Get(headerParkedAt), m.Stored)
	c.Decision = &ParkedDecision{
		Action: clean(h.Get(headerAction)), By: clean(h.Get(headerDecidedBy)),
		At: parsedTime(h.Get(headerDecidedAt), m.Stored), Reason: clean(h.Get(headerDecidedWhy)),
	}
	return c, err == nil && seq != 0
}

func parsedNumber(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func parsedTime(s string, otherwise time.Time) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t = otherwise
	}
	return t.UTC()
}
