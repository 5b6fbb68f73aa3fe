package domain

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"github.com/peering/peering/internal/events"
)

// A snapshot is a row of numbers (variable length), texts (length and bytes)
// and times (seconds and nanoseconds), closed by a CRC-32C over all of it: a
// damaged byte must not change who is trusted.

const checksumSize = 4

var (
	errDamaged   = errors.New("domain: the snapshot is damaged")
	errTruncated = errors.New("it ends too early")
	errTooMuch   = errors.New("it has more than belongs to it")
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

type snapshotWriter struct{ buf []byte }

func (w *snapshotWriter) number(n uint64) { w.buf = binary.AppendUvarint(w.buf, n) }

func (w *snapshotWriter) text(s string) {
	w.number(uint64(len(s)))
	w.buf = append(w.buf, s...)
}

func (w *snapshotWriter) texts(list ...string) {
	for _, s := range list {
		w.text(s)
	}
}

func (w *snapshotWriter) flag(b bool) {
	if b {
		w.buf = append(w.buf, 1)
	} else {
		w.buf = append(w.buf, 0)
	}
}

func (w *snapshotWriter) time(t time.Time) {
	w.buf = binary.AppendVarint(w.buf, t.Unix())
	w.number(uint64(t.Nanosecond()))
}

func (w *snapshotWriter) stamp(s Stamp) {
	w.number(uint64(s.Seq))
	w.time(s.Time)
	w.text(s.By)
}

func (w *snapshotWriter) removal(r Removal) {
	w.number(uint64(r.Seq))
	w.time(r.At)
	w.texts(r.By, r.Reason)
}

func (w *snapshotWriter) sealed() []byte {
	return binary.BigEndian.AppendUint32(w.buf, checksum(w.buf))
}

// snapshotReader reads what snapshotWriter wrote. After the first trouble it
// returns zero values; end tells. The texts share the memory of one string.
type snapshotReader struct {
	all string
	buf []byte // the same bytes
	at  int
	err error
}

// openSnapshot checks the seal. data is not kept.
func openSnapshot(data []byte) (*snapshotReader, error) {
	body := len(data) - checksumSize
	if body < 0 || binary.BigEndian.Uint32(data[body:]) != checksum(data[:body]) {
		return nil, errDamaged
	}
	return &snapshotReader{all: string(data[:body]), buf: data[:body]}, nil
}

func (r *snapshotReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.at = len(r.buf)
}

func (r *snapshotReader) number() uint64 {
	n, size := binary.Uvarint(r.buf[r.at:])
	if size <= 0 {
		r.fail(errTruncated)
		return 0
	}
	r.at += size
	return n
}

// count reads how many things follow; each of them takes a byte at least.
func (r *snapshotReader) count() int {
	n := r.number()
	if n > uint64(len(r.buf)-r.at) {
		r.fail(errTruncated)
		return 0
	}
	return int(n)
}

func (r *snapshotReader) text() string {
	n := r.count()
	s := r.all[r.at : r.at+n]
	r.at += n
	return s
}

func (r *snapshotReader) flag() bool { return r.number() == 1 }

func (r *snapshotReader) time() time.Time {
	seconds, size := binary.Varint(r.buf[r.at:])
	if size <= 0 {
		r.fail(errTruncated)
		return time.Time{}
	}
	r.at += size
	return time.Unix(seconds, int64(r.number())).UTC()
}

func (r *snapshotReader) stamp() Stamp {
	return Stamp{Seq: events.Seq(r.number()), Time: r.time(), By: r.text()}
}

func (r *snapshotReader) removal() Removal {
	return Removal{Seq: events.Seq(r.number()), At: r.time(), By: r.text(), Reason: r.text()}
}

// end returns the first trouble; bytes that nobody read are one.
func (r *snapshotReader) end() error {
	if r.err == nil && r.at != len(r.buf) {
		return errTooMuch
	}
	return r.err
}
