package bus

import (
	"strconv"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// What is known of a delivery, in the metadata of Watermill's message. Nothing
// else of what came is in there.
const (
	metaSubject    = "subject"
	metaReply      = "reply"
	metaSeq        = "stream_seq"
	metaDeliveries = "deliveries"
	metaBroken     = "headers_broken"
	metaHeader     = "header:"
)

// unmarshaler makes Watermill's messages of deliveries. It never fails: a message
// that nobody handles would be delivered again for ever.
type unmarshaler struct{}

// Unmarshal is part of Watermill's interface. What did not come from the queue
// loses its reply subject, so that no acknowledgement goes where its sender wants.
func (unmarshaler) Unmarshal(m *nats.Msg) (*message.Message, error) {
	d, ok := deliveryOf(m)
	if !ok {
		m.Reply = ""
	}
	msg := message.NewMessage(strconv.FormatUint(uint64(d.seq), 10), m.Data)
	msg.Metadata = d.metadata()
	return msg, nil
}

// delivery is one message of the queue as it was handed to this process.
type delivery struct {
	subject    string
	reply      string     // where acknowledgements go
	seq        events.Seq // in the queue; 0: it did not come from there
	deliveries uint64     // this one included
	header     header
	body       []byte
}

// deliveryOf reads m. ok is false when it was not delivered by the queue: then
// its reply subject says something else than the server's do.
func deliveryOf(m *nats.Msg) (delivery, bool) {
	d := delivery{subject: m.Subject, reply: m.Reply, header: readHeader(m), body: m.Data}
	meta, err := m.Metadata()
	if err != nil || meta.Stream != eventstore.CommandsStream {
		return delivery{subject: m.Subject, body: m.Data}, false
	}
	d.seq, d.deliveries = events.Seq(meta.Sequence.Stream), meta.NumDelivered
	return d, true
}

// tail is <enterprise>.<Command> as they were published: what stands behind root
// and partition in the queue.
func (d delivery) tail() string {
	parts := strings.SplitN(d.subject, ".", 4)
	return parts[len(parts)-1]
}

func (d delivery) incoming() incoming { return incomingFrom(d.tail(), d.header, d.body) }

// fields are the values of h with the places they have.
func (h *header) fields() map[string]*string {
	return map[string]*string{
		headerCommandID: &h.commandID, headerActor: &h.actor, headerReason: &h.reason,
		headerCorrelation: &h.correlationID, headerCausation: &h.causationID, headerTraceparent: &h.traceparent,
	}
}

func (d delivery) metadata() message.Metadata {
	meta := message.Metadata{
		metaSubject: d.subject, metaReply: d.reply,
		metaSeq:        strconv.FormatUint(uint64(d.seq), 10),
		metaDeliveries: strconv.FormatUint(d.deliveries, 10),
	}
	if d.header.broken {
		meta[metaBroken] = "true"
	}
	for name, value := range d.header.fields() {
		if *value != "" {
			meta[metaHeader+name] = *value
		}
	}
	return meta
}

// deliveryIn is the inverse of metadata.
func deliveryIn(msg *message.Message) delivery {
	d := delivery{
		subject: msg.Metadata[metaSubject], reply: msg.Metadata[metaReply],
		seq:        events.Seq(number(msg.Metadata[metaSeq])),
		deliveries: number(msg.Metadata[metaDeliveries]),
		body:       msg.Payload,
	}
	d.header.broken = msg.Metadata[metaBroken] != ""
	for name, value := range d.header.fields() {
		*value = msg.Metadata[metaHeader+name]
	}
	return d
}

func number(s string) uint64 {
	n, _ := strconv.ParseUint(s, 10, 64) // ours: it is one
	return n
}
