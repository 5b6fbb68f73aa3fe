package eventstore

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// The streams of the bus (ADR 0024).
const (
	CommandsStream = "PEERING_COMMANDS"
	ParkedStream   = "PEERING_PARKED"
	// PositionsStream holds how far the log has been reacted to (ADR 0026).
	PositionsStream = "PEERING_POSITIONS"

	// commandsRoot is where services publish: <root><enterprise>.<Command>. In
	// the stream the partition stands before the enterprise.
	commandsRoot = "peering.commands."
	commandsFrom = commandsRoot + "*.*"
	commandsInto = commandsRoot + "{{partition(%s,1)}}.{{wildcard(1)}}.{{wildcard(2)}}"

	parkedRoot    = "peering.parked."
	decidedRoot   = "peering.decided."
	unsettledRoot = "peering.unsettled."
	positionsRoot = "peering.positions."
)

const (
	// Partitions is how many partitions a new stream of commands has. What the
	// stream says counts, so that an operator may give it more.
	Partitions = 16
	// MaxPartitions is how many it may have.
	MaxPartitions = 256
)

const (
	// commandsDuplicates is the least that the server takes. A message id is
	// looked up among those of all enterprises, so that one of them could make
	// a command of another vanish.
	commandsDuplicates = 100 * time.Millisecond
	// parkedDuplicates is how long a message of the queue is parked only once:
	// more than AckWait, after which it is delivered again.
	parkedDuplicates = 2 * time.Minute
)

// busStreams are the streams of the bus as they must be, but for the number of
// partitions.
func (o StreamOptions) busStreams() []jetstream.StreamConfig {
	commands, parked, positions := o.common(), o.common(), o.common()

	commands.Name = CommandsStream
	commands.Description = "Commands that wait to be carried out."
	commands.Subjects = []string{commandsFrom}
	commands.SubjectTransform = &jetstream.SubjectTransformConfig{
		Source: commandsFrom, Destination: fmt.Sprintf(commandsInto, strconv.Itoa(Partitions)),
	}
	commands.Retention = jetstream.WorkQueuePolicy
	commands.MaxBytes = max(o.MaxBytes/8, 16<<20)
	commands.Duplicates = commandsDuplicates
	commands.DenyPurge = true

	parked.Name = ParkedStream
	parked.Description = "Commands that could not be carried out, and what was decided about them."
	parked.Subjects = []string{parkedRoot + "*.*", decidedRoot + "*.*", unsettledRoot + "*"}
	parked.MaxBytes = max(o.MaxBytes/16, 16<<20)
	parked.Duplicates = parkedDuplicates
	parked.AllowMsgTTL, parked.AllowAtomicPublish, parked.DenyPurge = true, true, true

	positions.Name = PositionsStream
	positions.Description = "How far the log has been reacted to."
	positions.Subjects = []string{positionsRoot + "*"}
	positions.MaxBytes = 1 << 20
	positions.MaxMsgsPerSubject = 1
	positions.Discard = jetstream.DiscardOld
	positions.DenyPurge = true
	return []jetstream.StreamConfig{commands, parked, positions}
}

// partitions is how many partitions the change of subjects makes; ok is false
// when it is none of ours.
func partitions(t *jetstream.SubjectTransformConfig) (n int, ok bool) {
	if t == nil || t.Source != commandsFrom {
		return 0, false
	}
	before, behind, _ := strings.Cut(commandsInto, "%s")
	rest, isOurs := strings.CutPrefix(t.Destination, before)
	number, ends := strings.CutSuffix(rest, behind)
	n, err := strconv.Atoi(number)
	return n, isOurs && ends && err == nil && n >= 1 && n <= MaxPartitions
}
