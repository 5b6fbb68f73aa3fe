package probe

import (
	"strings"
	"testing"
)

func TestVersionRule_findsWhatLooksLikeAVersion(t *testing.T) {
	for body, want := range map[string]string{
		`{"product":"peering","version":"9.8"}`:              "9.8",
		`{"version" :` + "\n" + `"9.7.1.105"}`:               "9.7.1.105",
		`{"version":"1.2.3.4.5.6"}`:                          "1.2.3.4.5.6",
		`{"version":"1.2.3.4.5.6.7"}`:                        "",
		`{"version":"9"}`:                                    "",
		`{"version":"9."}`:                                   "",
		`{"version":".9"}`:                                   "",
		`{"version":"9..8"}`:                                 "",
		`{"version":"v9.8"}`:                                 "",
		`{"version":"9.8-beta"}`:                             "",
		`{"version":"९.८"}`:                                  "",
		`{"version":"9.1234567890"}`:                         "",
		`{"version":"123456789.123456789.123456789.123456"}`: "",
		`{"version":9.8}`:                                    "",
		`{"version":"<script>"}`:                             "",
		``:                                                   "",
		`{"version":"1.2"}{"version":"3.4"}`:                 "1.2",
	} {
		if got := (VersionRule{}).orDefault().find([]byte(body)); got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}

func TestParseVersionRule_groupOrWhole(t *testing.T) {
	for pattern, want := range map[string]string{
		`Release ([0-9.]+)`: "9.4",
		`[0-9]+\.[0-9]+`:    "9.4",
		`(x)?Release`:       "",
	} {
		r, err := ParseVersionRule("", pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.find([]byte("Release 9.4 of the product")); got != want {
			t.Errorf("%s: got %q, want %q", pattern, got, want)
		}
		if r.path != defaultPath {
			t.Errorf("got path %q", r.path)
		}
	}
}

func TestParseVersionRule_errorsSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ path, pattern, tells string }{
		{"about", "", "begin with /"},
		{"/a b", "", "spaces"},
		{"/a\r\nX-Evil: 1", "", "control characters"},
		{"/ü", "", "ASCII"},
		{"/a#b", "", "#"},
		{"", "(", "regular expression"},
		{"", "[0-9.]*", "nothing at all"},
	} {
		if _, err := ParseVersionRule(c.path, c.pattern); err == nil || !strings.Contains(err.Error(), c.tells) {
			t.Errorf("%q, %q: got error %v, want one that tells %q", c.path, c.pattern, err, c.tells)
		}
	}
}
