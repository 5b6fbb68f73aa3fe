package eventstore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-version"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// minServer is the oldest server that the log was tried on: what it does after
// a crash and on a full disk differs from those before it (architecture, trap 3).
const minServer = "2.15.2"

// SettingsError says what is wrong with the streams or the server. It does not
// go away by waiting.
type SettingsError struct {
	Faults []Fault // all of them, at least one
}

// Fault is one setting that is not what it must be.
type Fault struct {
	Stream  string // or "server"
	Setting string // as the server's API calls it
	Is      string
	Must    string
}

func (f Fault) String() string { return fmt.Sprintf("%s is %s, must be %s", f.Setting, f.Is, f.Must) }

func (e *SettingsError) Error() string {
	var b strings.Builder
	before := ""
	for _, f := range e.Faults {
		switch {
		case f.Stream == before:
			b.WriteString("; ")
		case before != "":
			b.WriteString(". ")
			fallthrough
		default:
			if f.Stream == "server" {
				b.WriteString("server: ")
			} else {
				b.WriteString("stream " + f.Stream + ": ")
			}
		}
		before = f.Stream
		b.WriteString(f.String())
	}
	return b.String()
}

// compare lists the settings of got that are not those of want. What may differ
// is left out: a higher limit, more replicas, description, placement, compression,
// the number of partitions, and the duplicate window of a stream whose messages
// carry no id for it.
func compare(got, want jetstream.StreamConfig) []Fault {
	var faults []Fault
	add := func(setting, is, must string) {
		faults = append(faults, Fault{want.Name, setting, is, must})
	}
	if f, ok := wrongFormat(got); ok {
		add("format", f, fmt.Sprintf("%d, which is what this program reads", Format))
	}
	is, must := settings(got), settings(want)
	for i := range must {
		if is[i].value != must[i].value {
			add(must[i].name, is[i].value, must[i].value)
		}
	}
	if want.Duplicates != 0 && got.Duplicates != want.Duplicates {
		add("duplicate_window", age(got.Duplicates), age(want.Duplicates))
	}
	if got.MaxBytes <= 0 {
		add("max_bytes", "unlimited", "set, for example "+size(want.MaxBytes))
	}
	if got.Replicas < want.Replicas {
		add("num_replicas", strconv.Itoa(got.Replicas), fmt.Sprintf("at least %d (run: nats stream edit %s --replicas %d)", want.Replicas, want.Name, want.Replicas))
	}
	return faults
}

// packed reports whether a stream with replicas is compressed. With sync_interval
// "always" nats-server 2.15 (#8447) cuts the last block of such a stream when it
// starts after a kill, compresses it in the background and goes on to write into
// it: the replica then has lost what it held, and says so when it comes to lead
// (ADR 0028). A stream on one server is not concerned, and may be compressed or
// not.
func packed(c jetstream.StreamConfig) bool {
	return c.Replicas > 1 && c.Compression != jetstream.NoCompression
}

// wrongFormat describes the format of a stream that this program cannot read.
func wrongFormat(got jetstream.StreamConfig) (string, bool) {
	text, ok := got.Metadata[formatKey]
	if !ok {
		return "missing from the metadata", true
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return strconv.Quote(text), true
	}
	return text + ", of a newer program", n > Format
}

type setting struct{ name, value string }

// settings are the settings that must be exactly so, in words.
func settings(c jetstream.StreamConfig) []setting {
	flag := strconv.FormatBool
	subjects := slices.Sorted(slices.Values(c.Subjects))
	return []setting{
		{"subjects", strings.Join(subjects, ", ")},
		{"storage", c.Storage.String()},
		{"retention", c.Retention.String()},
		{"discard", c.Discard.String()},
		{"discard_new_per_subject", flag(c.DiscardNewPerSubject)},
		{"max_age", age(c.MaxAge)},
		{"max_msgs", size(c.MaxMsgs)},
		{"max_msgs_per_subject", size(c.MaxMsgsPerSubject)},
		{"max_msg_size", size(int64(c.MaxMsgSize))},
		{"max_consumers", size(int64(c.MaxConsumers))},
		{"deny_delete", flag(c.DenyDelete)},
		{"deny_purge", flag(c.DenyPurge)},
		{"allow_atomic", flag(c.AllowAtomicPublish)},
		{"allow_batched", flag(c.AllowBatchPublish)},
		{"allow_rollup_hdrs", flag(c.AllowRollup)},
		{"allow_direct", flag(c.AllowDirect)},
		{"mirror_direct", flag(c.MirrorDirect)},
		{"allow_msg_ttl", flag(c.AllowMsgTTL)},
		{"subject_delete_marker_ttl", age(c.SubjectDeleteMarkerTTL)},
		{"allow_msg_schedules", flag(c.AllowMsgSchedules)},
		{"allow_msg_counter", flag(c.AllowMsgCounter)},
		{"persist_mode", c.PersistMode.String()},
		{"no_ack", flag(c.NoAck)},
		{"sealed", flag(c.Sealed)},
		{"mirror", present(c.Mirror != nil)},
		{"sources", present(len(c.Sources) > 0)},
		{"subject_transform", transform(c.SubjectTransform)},
		{"republish", present(c.RePublish != nil)},
	}
}

// transform describes a change of subjects, with the number of partitions left
// open when it is ours.
func transform(t *jetstream.SubjectTransformConfig) string {
	if t == nil {
		return "not set"
	}
	source, into := t.Source, t.Destination
	if _, ok := partitions(t); ok {
		into = fmt.Sprintf(commandsInto, fmt.Sprintf("1 to %d", MaxPartitions))
	}
	return source + " into " + into
}

func present(is bool) string {
	if is {
		return "set"
	}
	return "not set"
}

// checkServer verifies that the server has what the log is built on.
func checkServer(nc *nats.Conn) []Fault {
	text := nc.ConnectedServerVersion()
	if text == "" {
		return nil
	}
	got, err := version.NewVersion(text)
	if err == nil && !got.Core().LessThan(version.Must(version.NewVersion(minServer))) {
		return nil
	}
	return []Fault{{"server", "version", text, minServer + " or later"}}
}
