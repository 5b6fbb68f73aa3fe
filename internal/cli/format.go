package cli

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// format is how a command prints.
type format string

const (
	formatTable format = "table"
	formatJSON  format = "json"
	formatCSV   format = "csv"

	timeLayout = "2006-01-02 15:04:05 MST"
)

// String implements pflag.Value.
func (f *format) String() string { return string(*f) }

// Type implements pflag.Value.
func (f *format) Type() string { return "format" }

// Set implements pflag.Value.
func (f *format) Set(s string) error {
	switch v := format(s); v {
	case formatTable, formatJSON, formatCSV:
		*f = v
		return nil
	}
	return fmt.Errorf("must be table, json or csv")
}

// remark is a value for people: tables show it, CSV has an empty cell.
type remark string

// key is a value that names something: CSV has it as it is, so that it can be
// used again.
type key string

// age is a time of which people want to know how long ago it was.
type age time.Time

func (a age) String() string {
	at := time.Time(a)
	if at.IsZero() {
		return ""
	}
	return spell(max(0, time.Since(at))) + " ago"
}

// utc is a time at which a day, a week or a month in UTC begins or ends, or a
// part of one; people see it in UTC, and midnight as its day.
type utc time.Time

func (u utc) String() string {
	at := time.Time(u).UTC()
	if at.Equal(at.Truncate(24 * time.Hour)) {
		return at.Format(time.DateOnly)
	}
	return at.Format("2006-01-02 15:04")
}

// seconds is how long something was.
type seconds float64

func (s seconds) String() string {
	if s == 0 {
		return "–"
	}
	return spell(time.Duration(float64(s) * float64(time.Second)))
}

// measure is a number that need not be known; people want it short, with its
// unit.
type measure struct {
	value *float64
	scale float64 // of the unit that people see
	unit  string
}

// millis is a measure of milliseconds.
func millis(ms *float64) measure { return measure{ms, 1, "ms"} }

// percent is a measure of a part of 1.
func percent(part *float64) measure { return measure{part, 100, "%"} }

func (m measure) String() string {
	if m.value == nil {
		return ""
	}
	return strconv.FormatFloat(math.Round(*m.value*m.scale*100)/100, 'f', -1, 64) + " " + m.unit
}

// spell writes a duration with its two largest units.
func spell(d time.Duration) string {
	units := []struct {
		long time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.long {
			continue
		}
		text := fmt.Sprintf("%d %s", d/u.long, u.name)
		if i+1 < len(units) {
			if next := units[i+1]; d%u.long >= next.long {
				text += fmt.Sprintf(" %d %s", d%u.long/next.long, next.name)
			}
		}
		return text
	}
	return "0 s"
}

// forTable shows a value to a person: times in their zone, text in one line
// that is safe for a terminal.
func forTable(v any) string {
	switch v := v.(type) {
	case time.Time:
		if v.IsZero() {
			return ""
		}
		return v.Local().Format(timeLayout)
	default:
		return printable(fmt.Sprint(v))
	}
}

// forCSV shows a value to a program.
func forCSV(v any) string {
	switch v := v.(type) {
	case time.Time:
		if v.IsZero() {
			return ""
		}
		return v.UTC().Format(time.RFC3339)
	case remark:
		return ""
	case age:
		return forCSV(time.Time(v))
	case utc:
		return forCSV(time.Time(v))
	case seconds:
		return strconv.FormatFloat(float64(v), 'f', -1, 64)
	case measure:
		if v.value == nil {
			return ""
		}
		return strconv.FormatFloat(*v.value, 'f', -1, 64)
	case key:
		return string(v)
	case string:
		return neutral(v)
	default:
		return neutral(fmt.Sprint(v))
	}
}

// neutral keeps a spreadsheet from taking text for a formula.
func neutral(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}

// printable makes text that others wrote safe for a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r) {
			return '?'
		}
		return r
	}, s)
}

// terminalWidth is how many characters a line of the terminal at out has; 0: it
// is no terminal.
func terminalWidth(out io.Writer) int {
	f, ok := out.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd())) // #nosec G115 -- a file descriptor
	if err != nil {
		return 0
	}
	return width
}

// textWidth is how many characters the longest line takes on a terminal.
func textWidth(lines string) int { return text.LongestLineLen(lines) }

// newTable returns a table without lines and colours.
func newTable() table.Writer {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	return t
}

func tableRow(cells []string) table.Row {
	row := make(table.Row, len(cells))
	for i, c := range cells {
		row[i] = c
	}
	return row
}

// writeCSV prints rows, the first of which is the header.
func writeCSV(out io.Writer, rows [][]string) error {
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	if err := w.WriteAll(rows); err != nil {
		return err
	}
	_, err := out.Write(buf.Bytes())
	return err
}
