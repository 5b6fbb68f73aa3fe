package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Headers of a stored event: the CloudEvents attributes in the binary mode of
// the NATS protocol binding (CloudEvents 1.0), and our own.
const (
	HeaderSpecVersion   = "ce-specversion"
	HeaderID            = "ce-id"
	HeaderType          = "ce-type"
	HeaderSource        = "ce-source"
	HeaderSubject       = "ce-subject"
	HeaderTime          = "ce-time"
	HeaderDataVersion   = "ce-dataversion" // version of the event's JSON
	HeaderContentType   = "content-type"
	HeaderCommandID     = "command-id"
	HeaderCommandHash   = "command-hash"
	HeaderCommandPart   = "command-part" // "<index>/<count>"
	HeaderCorrelationID = "correlation-id"
	HeaderCausationID   = "causation-id"
	HeaderActor         = "actor"
	HeaderOnBehalfOf    = "on-behalf-of"
	HeaderReason        = "reason"
	HeaderTraceparent   = "traceparent"
)

// MaxData is the largest body of an event in bytes. The largest that the
// domain can make has a hundredth of it.
const MaxData = 256 << 10

// MaxHeader is the longest value of a header in bytes. What people may write
// into one (reason, actor) has to be held against it at the edge.
const MaxHeader = 4 << 10

// maxBatch is the largest number of events that one command may make: what an
// atomic batch of the log takes.
const maxBatch = 1000

const (
	specVersion  = "1.0"
	contentType  = "application/json"
	sourcePrefix = "/peering/enterprises/"
	timeFormat   = "2006-01-02T15:04:05.000000Z07:00"
)

// DecodeKind tells the reasons apart for which a message is not an event.
type DecodeKind string

// The kinds of trouble with a stored message.
const (
	Malformed      DecodeKind = "malformed"       // not made by any version of this program
	UnknownType    DecodeKind = "unknown_type"    // probably made by a newer program
	UnknownVersion DecodeKind = "unknown_version" // made by a newer program
)

// DecodeError says why a message of the log is not an event that this program
// can read. The message stays in the log; the reader must not skip it silently.
type DecodeError struct {
	Kind   DecodeKind
	Detail string
}

func (e *DecodeError) Error() string { return string(e.Kind) + ": " + e.Detail }

// Codec turns events into messages and back.
type Codec struct{ registry *Registry }

// NewCodec returns a codec for the events of r.
func NewCodec(r *Registry) Codec { return Codec{r} }

// Encode returns headers and body of e as they are stored under subject. An
// error means that the envelope is not complete, belongs on another subject or
// has a header that cannot be stored (control characters, invalid UTF-8, more
// than MaxHeader): a bug of the caller.
func (c Codec) Encode(subject Subject, e Envelope) (header map[string][]string, data []byte, err error) {
	ent, peer, ok := ParseSubject(string(subject))
	if !ok || ent != e.Enterprise {
		return nil, nil, fmt.Errorf("events: %q is not a subject of enterprise %q", subject, e.Enterprise)
	}
	if e.Event == nil || e.ID == "" || e.CommandID == "" || e.Time.IsZero() || e.Count < 1 || e.Count > maxBatch || e.Index < 0 || e.Index >= e.Count {
		return nil, nil, errors.New("events: incomplete envelope")
	}
	version := c.registry.Version(e.Event.Type())
	if version == 0 {
		return nil, nil, fmt.Errorf("events: type %q is not registered", e.Event.Type())
	}
	if err := placed(e.Event, peer); err != nil {
		return nil, nil, fmt.Errorf("events: %q: %w", subject, err)
	}
	data, err = json.Marshal(e.Event)
	if err != nil {
		return nil, nil, fmt.Errorf("events: encode %s: %w", e.Event.Type(), err)
	}
	if len(data) > MaxData {
		return nil, nil, fmt.Errorf("events: %s has %d bytes, at most %d are allowed", e.Event.Type(), len(data), MaxData)
	}
	const most = 17 // headers there are
	header = make(map[string][]string, most)
	values := make([]string, 0, most) // one allocation for all of them
	set := func(name, value string) {
		if value == "" {
			return
		}
		if !headerSafe(value) {
			err = fmt.Errorf("events: header %s cannot be stored", name)
		}
		values = append(values, value)
		header[name] = values[len(values)-1 : len(values) : len(values)]
	}
	set(HeaderSpecVersion, specVersion)
	set(HeaderID, string(e.ID))
	set(HeaderType, string(e.Event.Type()))
	set(HeaderSource, sourcePrefix+string(e.Enterprise))
	set(HeaderSubject, aboutWhat(e.Event))
	set(HeaderTime, e.Time.UTC().Format(timeFormat))
	set(HeaderDataVersion, strconv.Itoa(version))
	set(HeaderContentType, contentType)
	set(HeaderCommandID, string(e.CommandID))
	set(HeaderCommandHash, e.CommandHash)
	set(HeaderCommandPart, strconv.Itoa(e.Index)+"/"+strconv.Itoa(e.Count))
	set(HeaderCorrelationID, e.CorrelationID)
	set(HeaderCausationID, e.CausationID)
	set(HeaderActor, e.Actor)
	set(HeaderOnBehalfOf, e.OnBehalfOf)
	set(HeaderReason, e.Reason)
	set(HeaderTraceparent, e.Traceparent)
	return header, data, err
}

// Decode reads a message of the log. It never panics and never trusts the
// message: whoever may publish on the stream could have written it. The error
// is a *DecodeError.
func (c Codec) Decode(m Message) (Recorded, error) {
	ent, peer, ok := ParseSubject(m.Subject)
	if !ok {
		return Recorded{}, malformed("subject %q is not one of the log's", m.Subject)
	}
	if len(m.Data) > MaxData {
		return Recorded{}, malformed("the body has %d bytes, at most %d are allowed", len(m.Data), MaxData)
	}
	h := headers{values: m.Header}
	r := Recorded{Seq: m.Seq, Subject: Subject(m.Subject), Envelope: Envelope{
		ID:            EventID(h.must(HeaderID)),
		Enterprise:    ent,
		CommandID:     CommandID(h.must(HeaderCommandID)),
		CommandHash:   h.get(HeaderCommandHash),
		CorrelationID: h.get(HeaderCorrelationID),
		CausationID:   h.get(HeaderCausationID),
		Actor:         h.get(HeaderActor),
		OnBehalfOf:    h.get(HeaderOnBehalfOf),
		Reason:        h.get(HeaderReason),
		Traceparent:   h.get(HeaderTraceparent),
	}}
	if v := h.must(HeaderSpecVersion); h.err == nil && v != specVersion {
		h.err = malformed("CloudEvents version %q is not %s", v, specVersion)
	}
	if v := h.must(HeaderSource); h.err == nil && v != sourcePrefix+string(ent) {
		h.err = malformed("source %q does not belong to subject %q", v, m.Subject)
	}
	r.Index, r.Count = h.part(HeaderCommandPart)
	r.Time = h.time(HeaderTime)
	version := h.number(HeaderDataVersion)
	typ := Type(h.must(HeaderType))
	if h.err != nil {
		return Recorded{}, h.err
	}
	event, err := c.registry.Decode(typ, version, m.Data)
	if err != nil {
		return Recorded{}, err
	}
	if err := placed(event, peer); err != nil {
		return Recorded{}, err
	}
	r.Event, r.Version, r.Data = event, version, m.Data
	return r, nil
}

// placed checks that event may stand on a subject with this peer: status events
// on their own peer's subject, all others on the configuration subject.
func placed(event Event, peer PeerID) error {
	about, isPeer := event.(PeerEvent)
	switch event.(type) {
	case PeerStatusChanged, PeerVersionDetected, PeerCertificateSeen:
		if about.PeerID() != peer || peer == "" {
			return malformed("%s is not on the subject of its peer", event.Type())
		}
		return nil
	}
	if peer != "" {
		return malformed("%s is on the status subject of a peer", event.Type())
	}
	if isPeer {
		if _, err := ParsePeerID(string(about.PeerID())); err != nil {
			return malformed("%s: %v", event.Type(), err)
		}
	}
	if t, ok := event.(TrustedServerEvent); ok {
		if _, err := ParseTrustedServerID(string(t.TrustedServerID())); err != nil {
			return malformed("%s: %v", event.Type(), err)
		}
	}
	return nil
}

// aboutWhat is the CloudEvents subject: the peer or trusted server concerned.
func aboutWhat(e Event) string {
	switch e := e.(type) {
	case PeerEvent:
		return string(e.PeerID())
	case TrustedServerEvent:
		return string(e.TrustedServerID())
	}
	return ""
}

// headers reads single-valued headers and keeps the first error.
type headers struct {
	values map[string][]string
	err    error
}

func (h *headers) get(name string) string {
	v := h.values[name]
	if len(v) == 0 {
		return ""
	}
	if len(v) > 1 && h.err == nil {
		h.err = malformed("header %s is repeated", name)
	}
	if !headerSafe(v[0]) && h.err == nil {
		h.err = malformed("header %s is too long or has control characters or invalid UTF-8", name)
	}
	return v[0]
}

func (h *headers) must(name string) string {
	v := h.get(name)
	if v == "" && h.err == nil {
		h.err = malformed("header %s is missing", name)
	}
	return v
}

func (h *headers) number(name string) int {
	s := h.must(name)
	n, err := strconv.Atoi(s)
	if err != nil && h.err == nil {
		h.err = malformed("header %s: %q is not a number", name, s)
	}
	return n
}

func (h *headers) part(name string) (index, count int) {
	s := h.must(name)
	i, n, _ := strings.Cut(s, "/")
	index, err1 := strconv.Atoi(i)
	count, err2 := strconv.Atoi(n)
	if (err1 != nil || err2 != nil || index < 0 || count < 1 || index >= count || count > maxBatch) && h.err == nil {
		h.err = malformed("header %s: %q is not a place among a command's events", name, s)
	}
	return index, count
}

func (h *headers) time(name string) time.Time {
	s := h.must(name)
	t, err := time.Parse(time.RFC3339Nano, s)
	t = t.UTC().Truncate(time.Microsecond)
	if (err != nil || t.IsZero() || t.Year() < 1 || t.Year() > 9999) && h.err == nil {
		h.err = malformed("header %s: %q is not an RFC 3339 time", name, s)
	}
	return t
}

// headerSafe reports whether s can be stored as a header value and read back
// unchanged: not too long, valid UTF-8, no control characters, no space at
// either end.
func headerSafe(s string) bool {
	if len(s) > MaxHeader {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c < 0x20 || c == 0x7f {
			return false
		}
		if c >= utf8.RuneSelf {
			return utf8.ValidString(s) && s == strings.TrimSpace(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
		}
	}
	return s == "" || s[0] != ' ' && s[len(s)-1] != ' '
}

func malformed(format string, args ...any) error {
	return &DecodeError{Kind: Malformed, Detail: fmt.Sprintf(format, args...)}
}
