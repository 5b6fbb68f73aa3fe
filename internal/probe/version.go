package probe

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// What a version looks like: numbers with dots.
const (
	leastNumbers   = 2
	mostNumbers    = 6
	longestVersion = 32
	longestNumber  = 9
)

// VersionRule says where a server tells its version, and how it is found there.
// The zero rule is that of peering's own servers.
type VersionRule struct {
	path    string
	pattern *regexp.Regexp
}

// The default rule: what our own servers tell everybody.
const (
	defaultPath    = "/.well-known/peering"
	defaultPattern = `"version"\s*:\s*"([^"]{1,64})"`
)

// ParseVersionRule makes a rule from the path that is asked for and the pattern
// (RE2) whose first group, or the whole when it has none, is the version. What
// is empty has its default. The error says which of the two is wrong, and how.
func ParseVersionRule(path, pattern string) (VersionRule, error) {
	r := VersionRule{}.orDefault()
	if path != "" {
		if !strings.HasPrefix(path, "/") || strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c > '~' || c == '#' }) {
			return VersionRule{}, fmt.Errorf("the path %q must begin with / and hold neither spaces, control characters, # nor letters beyond ASCII", path)
		}
		r.path = path
	}
	if pattern != "" {
		compiled, err := regexp.Compile(pattern)
		if err != nil {
			return VersionRule{}, fmt.Errorf("the pattern is not a regular expression: %w", err)
		}
		if compiled.MatchString("") {
			return VersionRule{}, errors.New("the pattern matches nothing at all; it would find no version anywhere")
		}
		r.pattern = compiled
	}
	return r, nil
}

func (r VersionRule) orDefault() VersionRule {
	if r.pattern == nil {
		return VersionRule{defaultPath, regexp.MustCompile(defaultPattern)}
	}
	return r
}

// find returns the version in body; empty when there is nothing that looks like
// one.
func (r VersionRule) find(body []byte) string {
	match := r.pattern.FindSubmatch(body)
	if match == nil {
		return ""
	}
	if found := string(match[min(1, len(match)-1)]); looksLikeVersion(found) {
		return found
	}
	return ""
}

func looksLikeVersion(s string) bool {
	if len(s) > longestVersion {
		return false
	}
	numbers := strings.Split(s, ".")
	for _, n := range numbers {
		if n == "" || len(n) > longestNumber || strings.Trim(n, "0123456789") != "" {
			return false
		}
	}
	return len(numbers) >= leastNumbers && len(numbers) <= mostNumbers
}
