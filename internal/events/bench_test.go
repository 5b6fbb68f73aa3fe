package events

import (
	"encoding/json"
	"reflect"
	"testing"
)

// The sinks keep the compiler from leaving the work out.
var (
	sinkHeader   map[string][]string
	sinkRecorded Recorded
)

func BenchmarkEncode(b *testing.B) {
	codec := NewCodec(Default())
	for _, g := range benchEvents() {
		b.Run(string(g.Event.Type()), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h, _, err := codec.Encode(subjectOf(g), g)
				if err != nil {
					b.Fatal(err)
				}
				sinkHeader = h
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	codec := NewCodec(Default())
	for _, e := range benchEvents() {
		m := message(b, codec, e)
		b.Run(string(e.Event.Type()), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := codec.Decode(m)
				if err != nil {
					b.Fatal(err)
				}
				sinkRecorded = r
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkUnmarshal is the reference for BenchmarkDecode: encoding/json on the
// body alone, without the headers.
func BenchmarkUnmarshal(b *testing.B) {
	codec := NewCodec(Default())
	for _, e := range benchEvents() {
		m := message(b, codec, e)
		into := reflect.New(reflect.TypeOf(e.Event))
		b.Run(string(e.Event.Type()), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				into.Elem().SetZero()
				if err := json.Unmarshal(m.Data, into.Interface()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// benchEvents are a small, a usual and a large event of a log.
func benchEvents() []Envelope {
	samples := samples()
	var out []Envelope
	for _, e := range []Event{samples["PeerEnabled"], samples["PeerAddressChanged"], samples["PeerAdded"], samples["PeerStatusChanged"]} {
		out = append(out, envelope(e))
	}
	return out
}
