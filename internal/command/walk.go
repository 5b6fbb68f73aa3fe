package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/peering/peering/internal/domain"
)

// maxDepth is how deep objects and lists may stand in one another.
const maxDepth = 32

// maxQuoted is how much of a client's text a refusal repeats.
const maxQuoted = 64

// checkText refuses what is not even text of an acceptable size.
func checkText(body []byte) *domain.Error {
	if len(body) > MaxBody {
		return malformed("", "the body has %d bytes, at most %d are allowed", len(body), MaxBody)
	}
	if utf8.Valid(body) {
		return nil
	}
	for i := 0; i < len(body); {
		r, size := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError && size == 1 {
			return malformed("", "the body is not valid UTF-8 at %s", place(body, i))
		}
		i += size
	}
	return nil
}

// checkSyntax refuses what is not one JSON value nested to an acceptable depth.
func checkSyntax(body []byte) *domain.Error {
	var whole json.RawMessage
	if err := json.Unmarshal(body, &whole); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return malformed("", "the body is not JSON: %s at %s", syntax.Error(), place(body, int(syntax.Offset)-1))
		}
		return malformed("", "the body is not JSON")
	}
	depth, inText := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			inText = !inText
		case inText && c == '\\':
			i++
		case !inText && (c == '{' || c == '['):
			if depth++; depth > maxDepth {
				return malformed("", "the body is nested deeper than %d at %s", maxDepth, place(body, i))
			}
		case !inText && (c == '}' || c == ']'):
			depth--
		}
	}
	return nil
}

// walker compares JSON whose syntax is known to be right with a shape.
type walker struct {
	data []byte
	pos  int
}

// value compares the value at the walker's place with s and steps over it. path
// is the field's, in the command called name.
func (w *walker) value(s *shape, path string, name domain.CommandName) *domain.Error {
	w.space()
	start := w.pos
	var got string
	switch w.data[w.pos] {
	case '{':
		switch {
		case s.operation:
			return w.operation(path)
		case s.form == formObject:
			return w.object(s, path, name)
		}
		got = "an object"
	case '[':
		if s.form == formList {
			return w.list(s, path, name)
		}
		got = "a list"
	case '"':
		return w.text(s, path)
	case 't', 'f':
		if s.form == formBool {
			w.literal()
			return nil
		}
		got = "true or false"
	case 'n':
		if s.nullable {
			w.literal()
			return nil
		}
		got = "null"
	default:
		if s.form == formNumber {
			return w.number(s, path)
		}
		got = "a number"
	}
	return malformed(path, "must be %s, not %s, at %s", s.form, got, place(w.data, start))
}

func (w *walker) object(s *shape, path string, name domain.CommandName) *domain.Error {
	seen := make([]bool, len(s.fields))
	w.pos++
	for w.space(); w.data[w.pos] != '}'; w.space() {
		if w.data[w.pos] == ',' {
			w.pos++
			w.space()
		}
		start := w.pos
		key, refusal := w.unquote(path)
		if refusal != nil {
			return refusal
		}
		i := s.lookup(key)
		if i < 0 {
			return unknownField(s, path, key, name, place(w.data, start))
		}
		if seen[i] {
			return malformed(join(path, key), "is given twice, again at %s", place(w.data, start))
		}
		seen[i] = true
		w.space()
		w.pos++ // the colon
		if refusal := w.value(s.fields[i].shape, join(path, key), name); refusal != nil {
			return refusal
		}
	}
	w.pos++
	return nil
}

func (w *walker) list(s *shape, path string, name domain.CommandName) *domain.Error {
	w.pos++
	for i := 0; ; i++ {
		if w.space(); w.data[w.pos] == ',' {
			w.pos++
		} else if w.data[w.pos] == ']' {
			w.pos++
			return nil
		}
		if refusal := w.value(s.item, fmt.Sprintf("%s[%d]", path, i), name); refusal != nil {
			return refusal
		}
	}
}

func unknownField(s *shape, path, key string, name domain.CommandName, at string) *domain.Error {
	hint := ""
	if similar := s.similar(key); similar != "" {
		hint = fmt.Sprintf("; the field is written %q", similar)
	}
	return malformed(join(path, clip(key)), "%s has no field %s, at %s%s", name, quote(key), at, hint)
}

func (w *walker) text(s *shape, path string) *domain.Error {
	start := w.pos
	value, refusal := w.unquote(path)
	if refusal != nil {
		return refusal
	}
	if s.form == formText || s.form == formTime && new(time.Time).UnmarshalText([]byte(value)) == nil {
		return nil
	}
	return malformed(path, "must be %s, not the text %s, at %s", s.form, quote(value), place(w.data, start))
}

// unquote steps over a text and returns it decoded.
func (w *walker) unquote(path string) (string, *domain.Error) {
	start := w.pos
	w.skipText()
	raw := w.data[start:w.pos]
	if !bytes.ContainsRune(raw, '\\') && isPlain(raw) {
		return string(raw[1 : len(raw)-1]), nil
	}
	if hasLoneSurrogate(raw) {
		return "", malformed(path, "has half a character (a lone surrogate) at %s", place(w.data, start))
	}
	var value string
	if err := json.Unmarshal(raw, &value); err != nil {
		return "", malformed(path, "is not a text at %s", place(w.data, start))
	}
	if strings.ContainsFunc(value, unicode.IsControl) {
		return "", malformed(path, "has a control character at %s", place(w.data, start))
	}
	return value, nil
}

// skipText steps over a text.
func (w *walker) skipText() {
	for w.pos++; w.data[w.pos] != '"'; w.pos++ {
		if w.data[w.pos] == '\\' {
			w.pos++
		}
	}
	w.pos++
}

func (w *walker) number(s *shape, path string) *domain.Error {
	start := w.pos
	for w.pos < len(w.data) && strings.IndexByte("+-.0123456789eE", w.data[w.pos]) >= 0 {
		w.pos++
	}
	raw := string(w.data[start:w.pos])
	_, err := strconv.ParseInt(raw, 10, s.bits)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, strconv.ErrRange):
		return malformed(path, "is out of range at %s", place(w.data, start))
	}
	return malformed(path, "must be %s, not %s, at %s", s.form, clip(raw), place(w.data, start))
}

func (w *walker) literal() {
	for w.pos < len(w.data) && w.data[w.pos] >= 'a' && w.data[w.pos] <= 'z' {
		w.pos++
	}
}

func (w *walker) space() {
	for w.pos < len(w.data) && isSpace(w.data[w.pos]) {
		w.pos++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func isBlank(body []byte) bool {
	w := walker{data: body}
	w.space()
	return w.pos == len(body)
}

// isPlain reports whether raw is printable ASCII and so needs no decoding.
func isPlain(raw []byte) bool {
	for _, c := range raw {
		if c < 0x20 || c >= 0x7f {
			return false
		}
	}
	return true
}

// hasLoneSurrogate reports whether raw, a JSON text, escapes half a character:
// encoding/json would put U+FFFD in its place without a word.
func hasLoneSurrogate(raw []byte) bool {
	for i := 0; i+1 < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		i++
		high := surrogate(raw[i:])
		if high == 0 {
			continue
		}
		i += 4
		if high >= 0xDC00 || i+2 >= len(raw) || raw[i+1] != '\\' || surrogate(raw[i+2:]) < 0xDC00 {
			return true
		}
		i += 6
	}
	return false
}

// surrogate returns the surrogate that escape, a u with four digits and more
// behind it, stands for, or 0.
func surrogate(escape []byte) uint64 {
	if len(escape) < 5 || escape[0] != 'u' {
		return 0
	}
	r, err := strconv.ParseUint(string(escape[1:5]), 16, 16)
	if err != nil || r < 0xD800 || r > 0xDFFF {
		return 0
	}
	return r
}

// place says where byte i of data is, in words for a person.
func place(data []byte, i int) string {
	i = max(0, min(i, len(data)))
	line := 1 + bytes.Count(data[:i], []byte("\n"))
	column := i - bytes.LastIndexByte(data[:i], '\n')
	return fmt.Sprintf("line %d, column %d", line, column)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func clip(s string) string { return clipTo(s, maxQuoted) }

func clipTo(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

func quote(s string) string { return strconv.Quote(clip(s)) }

func malformed(field, format string, args ...any) *domain.Error {
	return &domain.Error{Code: domain.Malformed, Field: field, Msg: fmt.Sprintf(format, args...)}
}
