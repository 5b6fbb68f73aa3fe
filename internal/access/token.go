package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

const (
	// secretBytes of randomness are in a token that is made here: 256 bits, twice
	// what is asked for.
	secretBytes = 32
	// secretPrefix lets scanners for leaked secrets recognise one.
	secretPrefix = "peering_"
	// minSecret is the fewest characters of a token that was made elsewhere.
	minSecret = 32
	maxSecret = 256

	maxNote = 100 // characters
)

// newSecret makes a token.
func newSecret() string {
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails (crypto/rand)
	return secretPrefix + base64.RawURLEncoding.EncodeToString(secret)
}

// hashOf is what is kept of a token. A token has so many random bits that a
// plain hash cannot be turned back.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// wellFormed reports whether secret can be a token at all (RFC 6750, b64token).
func wellFormed(secret string) bool {
	return len(secret) >= minSecret && len(secret) <= maxSecret && !strings.ContainsFunc(secret, func(r rune) bool {
		return !strings.ContainsRune("-._~+/=", r) && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	})
}

// ParseSecret reads a token that somebody made elsewhere, such as the content
// of a file; space around it does not count. The error says what is wrong
// without repeating the token.
func ParseSecret(text string) (string, error) {
	secret := strings.TrimSpace(text)
	if !wellFormed(secret) {
		return "", fmt.Errorf("must be one token of %d to %d letters, digits and -._~+/=, such as openssl rand -hex 32 makes", minSecret, maxSecret)
	}
	return secret, nil
}

// Grant is what a token is to be for.
type Grant struct {
	Role       Role
	Enterprise events.EnterpriseID // empty: all
	Note       string              // for people; may be empty
}

// check refuses a grant that is none. The error is a *domain.Error.
func (g Grant) check() error {
	refuse := func(field, format string, args ...any) error {
		return &domain.Error{Code: domain.Invalid, Field: field, Msg: fmt.Sprintf(format, args...)}
	}
	switch {
	case rights(g.Role) == nil:
		return refuse("role", "must be one of %s", roleNames())
	case !utf8.ValidString(g.Note), strings.ContainsFunc(g.Note, unicode.IsControl):
		return refuse("note", "must not contain control characters")
	case utf8.RuneCountInString(g.Note) > maxNote:
		return refuse("note", "must have at most %d characters", maxNote)
	}
	if g.Enterprise == "" {
		return nil
	}
	if id, err := events.ParseEnterpriseID(string(g.Enterprise)); err != nil || id != g.Enterprise {
		var bad *events.IDError
		if errors.As(err, &bad) {
			return refuse("enterprise", "%s", bad.Rule)
		}
		return refuse("enterprise", "must be the id of an enterprise")
	}
	return nil
}

// actorOf names the holder of a token in the history: its id, which never
// changes, and what an administrator noted about it.
func actorOf(id, note string) string {
	actor := "token:" + id
	if note != "" {
		actor = note + " (" + actor + ")"
	}
	return actor
}
