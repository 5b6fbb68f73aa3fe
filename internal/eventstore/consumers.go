package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/events"
)

// The groups of subscribers that share the messages of a consumer.
const (
	CommandGroup  = "api"
	ReactionGroup = "projector"
)

// AckWait is how long a message of the bus may be worked on before it is handed
// to somebody else, unless its worker says that it goes on.
const AckWait = 11 * time.Second

const (
	// DeliverRoot is what the subjects begin with on which consumers deliver.
	DeliverRoot      = "peering.deliver."
	commandsConsumer = "commands-"
	// ReactionsConsumer is the consumer whose position is how far events have
	// been reacted to.
	ReactionsConsumer = "reactions"
)

// CommandDelivery is the subject on which the commands of a partition are
// delivered, to one member of CommandGroup at a time and one by one.
func CommandDelivery(partition int) string {
	return DeliverRoot + "commands." + strconv.Itoa(partition)
}

// ReactionDelivery is the subject on which the events of all configurations are
// delivered, to one member of ReactionGroup at a time and one by one, in the
// order of the log.
const ReactionDelivery = DeliverRoot + ReactionsConsumer

// Bus is what EnsureBus has found or made.
type Bus struct {
	Partitions int
}

// EnsureBus makes the streams of the bus and their consumers when they are
// missing, and verifies them as Ensure does. The log is there already:
// otherwise the error wraps ErrNoStream. The consumer of reactions begins at the
// end of the log as it is when the consumer is made for the first time: what
// happened before has no reaction. When it was lost, it begins where
// ReactionPosition says. Consumers of partitions that the stream does not have
// any more are removed; see Commands.Stray for their messages. A *SettingsError
// comes with what was found if it is about consumers alone.
func EnsureBus(ctx context.Context, nc *nats.Conn, o StreamOptions) (Bus, error) {
	o = o.withDefaults()
	js, err := jetstream.New(nc)
	if err != nil {
		return Bus{}, fmt.Errorf("eventstore: %w", err)
	}
	wrong, err := ensureAll(ctx, js, o.busStreams(), o.Logger)
	if err != nil {
		return Bus{}, err
	}
	if err := settingsError(append(checkServer(nc), wrong...)); err != nil {
		return Bus{}, err
	}
	commands := consumers{wire{nc: nc, stream: CommandsStream}, js, o.Logger}
	st, err := commands.state(ctx)
	if err != nil {
		return Bus{}, err
	}
	n, ok := partitions(st.Config.SubjectTransform)
	if !ok { // it was right a moment ago
		return Bus{}, settingsError([]Fault{{CommandsStream, "subject_transform", transform(st.Config.SubjectTransform), transform(o.busStreams()[0].SubjectTransform)}})
	}
	log := consumers{wire{nc: nc, stream: events.Stream}, js, o.Logger}
	position, err := NewReactionPosition(nc)
	if err != nil {
		return Bus{}, err
	}
	for _, ensure := range []func() ([]Fault, error){
		func() ([]Fault, error) { return commands.ensure(ctx, commandConsumers(n), beyond(n)) },
		func() ([]Fault, error) {
			want, err := position.ensure(ctx, o.Logger)
			if err != nil {
				return nil, err
			}
			return log.ensure(ctx, []jetstream.ConsumerConfig{want}, func(string) bool { return false })
		},
	} {
		faults, err := ensure()
		if err != nil {
			return Bus{}, err
		}
		wrong = append(wrong, faults...)
	}
	return Bus{n}, settingsError(wrong)
}

// onePerGroup is what the consumers of the bus have in common: what waits goes
// to one member of a group, in order, and the next one when that is done.
func onePerGroup(name, group, subject, filter string, from jetstream.DeliverPolicy) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: name, Name: name, DeliverGroup: group, DeliverSubject: subject, FilterSubject: filter,
		DeliverPolicy: from, AckPolicy: jetstream.AckExplicitPolicy, AckWait: AckWait, MaxAckPending: 1, MaxDeliver: -1,
	}
}

func commandConsumers(n int) []jetstream.ConsumerConfig {
	list := make([]jetstream.ConsumerConfig, n)
	for i := range list {
		list[i] = onePerGroup(fmt.Sprintf("%s%02d", commandsConsumer, i), CommandGroup, CommandDelivery(i), partitionFilter(i), jetstream.DeliverAllPolicy)
	}
	return list
}

// partitionFilter matches the commands of a partition.
func partitionFilter(i int) string { return commandsRoot + strconv.Itoa(i) + ".*.*" }

// beyond recognises the consumers of partitions after the first n.
func beyond(n int) func(name string) bool {
	return func(name string) bool {
		number, ok := strings.CutPrefix(name, commandsConsumer)
		i, err := strconv.Atoi(number)
		return ok && err == nil && i >= n
	}
}

func reactionsConsumer() jetstream.ConsumerConfig {
	return onePerGroup(ReactionsConsumer, ReactionGroup, ReactionDelivery, events.FilterConfig, jetstream.DeliverByStartSequencePolicy)
}

// consumers tends the consumers of a stream.
type consumers struct {
	wire
	js  jetstream.JetStream
	log *slog.Logger
}

// ensure makes the consumers that are missing, verifies those that are there and
// removes those that are superfluous.
func (c consumers) ensure(ctx context.Context, wants []jetstream.ConsumerConfig, superfluous func(name string) bool) ([]Fault, error) {
	// Another process may make one in between: it is verified in a second round.
	for range 3 {
		there, err := c.all(ctx)
		if err != nil {
			return nil, err
		}
		for name := range there {
			if superfluous(name) {
				if err := c.remove(ctx, name); err != nil {
					return nil, err
				}
			}
		}
		var wrong []Fault
		missing := slices.DeleteFunc(slices.Clone(wants), func(want jetstream.ConsumerConfig) bool {
			got, ok := there[want.Name]
			if ok {
				wrong = append(wrong, compareConsumer(c.stream, got, want)...)
			}
			return ok
		})
		if len(wrong) > 0 || len(missing) == 0 {
			return wrong, nil
		}
		if wrong, err = c.create(ctx, missing); len(wrong) > 0 || err != nil {
			return wrong, err
		}
	}
	return nil, fmt.Errorf("consumers of %s: %w: they come and go", c.stream, ErrUnavailable)
}

// all returns the settings of all consumers of the stream by their names.
func (c consumers) all(ctx context.Context) (map[string]jetstream.ConsumerConfig, error) {
	list := map[string]jetstream.ConsumerConfig{}
	for offset := 0; ; {
		var answer struct {
			Error     *jetstream.APIError `json:"error"`
			Total     int                 `json:"total"`
			Missing   []string            `json:"missing"`
			Consumers []struct {
				Name   string                   `json:"name"`
				Config jetstream.ConsumerConfig `json:"config"`
			} `json:"consumers"`
		}
		if err := c.ask(ctx, "CONSUMER.LIST."+c.stream, map[string]int{"offset": offset}, &answer); err != nil {
			return nil, err
		}
		if answer.Error != nil {
			return nil, fmt.Errorf("consumers of %s: %w", c.stream, answered(answer.Error))
		}
		if len(answer.Missing) > 0 {
			return nil, fmt.Errorf("consumers of %s: %w: nobody speaks for %s", c.stream, ErrUnavailable, answer.Missing[0])
		}
		for _, one := range answer.Consumers {
			list[one.Name] = one.Config
		}
		offset += len(answer.Consumers)
		if len(answer.Consumers) == 0 || offset >= answer.Total {
			return list, nil
		}
	}
}

func (c consumers) create(ctx context.Context, missing []jetstream.ConsumerConfig) ([]Fault, error) {
	var wrong []Fault
	for _, want := range missing {
		_, err := c.js.CreatePushConsumer(ctx, c.stream, want)
		var api *jetstream.APIError
		switch isAnswer := errors.As(err, &api); {
		case err == nil:
			c.log.Info("consumer is there", "stream", c.stream, "consumer", want.Name)
		case isAnswer && api.ErrorCode == codeConsumerExists:
		case isAnswer && api.ErrorCode == codeFilterNotUnique:
			wrong = append(wrong, Fault{
				c.stream, "consumer " + want.Name, "kept out by another one that takes the same messages",
				"the only one (run: nats consumer report " + c.stream + ", and remove the other)",
			})
		default:
			return nil, fmt.Errorf("consumer %s of %s: %w", want.Name, c.stream, unavailable(err))
		}
	}
	return wrong, nil
}

func (c consumers) remove(ctx context.Context, name string) error {
	err := c.js.DeleteConsumer(ctx, c.stream, name)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("consumer %s of %s: %w", name, c.stream, unavailable(err))
	}
	c.log.Info("consumer of a partition that is no more is removed", "stream", c.stream, "consumer", name)
	return nil
}

// compareConsumer lists the settings of got that are not those of want.
func compareConsumer(stream string, got, want jetstream.ConsumerConfig) []Fault {
	remedy := fmt.Sprintf(" (run: nats consumer rm %s %s; it is made again and no message is lost)", stream, want.Name)
	if want.Name == ReactionsConsumer {
		remedy = fmt.Sprintf(" (run: nats consumer rm %s %s; it is made again and begins after what was settled)", stream, want.Name)
	}
	var faults []Fault
	is, must := consumerSettings(got), consumerSettings(want)
	for i := range must {
		if is[i].value != must[i].value {
			faults = append(faults, Fault{stream, "consumer " + want.Name + ": " + must[i].name, is[i].value, must[i].value + remedy})
		}
	}
	return faults
}

// consumerSettings are the settings that must be exactly so, in words. Where it
// begins is not among them: that counts only when it is made.
func consumerSettings(c jetstream.ConsumerConfig) []setting {
	filters := c.FilterSubjects
	if c.FilterSubject != "" {
		filters = append(slices.Clone(filters), c.FilterSubject)
	}
	return []setting{
		{"deliver_subject", strconv.Quote(c.DeliverSubject)},
		{"deliver_group", strconv.Quote(c.DeliverGroup)},
		{"filter_subject", strconv.Quote(strings.Join(filters, ", "))},
		{"ack_policy", c.AckPolicy.String()},
		{"ack_wait", age(c.AckWait)},
		{"max_ack_pending", size(int64(c.MaxAckPending))},
		{"max_deliver", size(int64(c.MaxDeliver))},
		{"backoff", present(len(c.BackOff) > 0)},
		{"headers_only", strconv.FormatBool(c.HeadersOnly)},
		{"replay_policy", c.ReplayPolicy.String()},
		{"rate_limit_bps", size(int64(c.RateLimit))},
		{"inactive_threshold", age(c.InactiveThreshold)},
		{"flow_control", strconv.FormatBool(c.FlowControl)},
	}
}
