package domain

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The check functions return the rule that a text breaks, as a sentence without
// the field's name that is safe to show, or nil. None of them repeats the text:
// it may be a megabyte long or unfit for a terminal.

// checkText is what holds for every text: valid UTF-8, no control characters,
// a limited number of characters.
func checkText(s string, most int) error {
	switch {
	case !utf8.ValidString(s):
		return errors.New("must be valid UTF-8")
	case strings.ContainsFunc(s, unicode.IsControl):
		return errors.New("must not contain control characters")
	case utf8.RuneCountInString(s) > most:
		return fmt.Errorf("must have at most %d characters", most)
	}
	return nil
}

// checkPeerDescription checks the description of a peer or a trusted server.
func checkPeerDescription(s string) error {
	if s == "" {
		return errRequired
	}
	if err := checkText(s, MaxPeerDescription); err != nil {
		return err
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !isLetter(r) && !isDigit(r) && r != '-' && r != ' ' }) {
		return errors.New("may contain only the letters A to Z, digits, dashes and spaces")
	}
	if strings.Trim(s, " ") == "" {
		return errors.New("must not consist of spaces only")
	}
	return nil
}

// checkEnterpriseDescription checks the description of an enterprise.
func checkEnterpriseDescription(s string) error {
	if s == "" {
		return errRequired
	}
	if err := checkText(s, MaxEnterpriseDescription); err != nil {
		return err
	}
	if strings.Contains(s, "|") {
		return errors.New(`must not contain "|"`)
	}
	if strings.TrimSpace(s) == "" {
		return errors.New("must not consist of spaces only")
	}
	return nil
}

func checkDialingPrefix(s string) error {
	if err := checkText(s, MaxDialingPrefix); err != nil {
		return err
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !isDigit(r) && r != '*' && r != '#' }) {
		return errors.New("may contain only digits, * and #")
	}
	return nil
}

// foldCase makes descriptions comparable: uniqueness is without regard to the
// case of ASCII letters, the only ones there are in them.
func foldCase(s string) string { return strings.ToLower(s) }

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

func isDigit(r rune) bool { return r >= '0' && r <= '9' }
