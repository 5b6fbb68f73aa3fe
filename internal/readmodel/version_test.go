package readmodel

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain"
)

func TestVersionKey_sortsAsVersionsDo(t *testing.T) {
	ascending := []string{"0.0", "1.0", "9.3", "9.3.9", "9.4", "9.4.0.0.0.1", "9.4.1", "9.10", "10.0", "999999999.0"}
	keys := make([]string, len(ascending))
	for i, v := range ascending {
		keys[i] = versionKey(v)
	}
	if !slices.IsSorted(keys) || len(slices.Compact(slices.Clone(keys))) != len(keys) {
		t.Errorf("the keys are %q", keys)
	}
	if versionKey("9.4") != versionKey("9.4.0") || versionKey("9.4") != versionKey("09.04") {
		t.Error("the same version has two keys")
	}
	for _, bad := range []string{"", "9", "9.", ".4", "9..4", "9.4-1", "9.x", "1.2.3.4.5.6.7", "1234567890.1", "9.٤", " 9.4", "-1.0"} {
		if key := versionKey(bad); key != "" {
			t.Errorf("%q has the key %q", bad, key)
		}
	}
}

// TestVersionKey_agreesWithTheDomain on what a version is.
func TestVersionKey_agreesWithTheDomain(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		parts := rapid.SliceOfN(rapid.StringMatching(`[0-9]{0,10}|x`), 1, 7).Draw(r, "parts")
		v := strings.Join(parts, ".")
		if valid := domain.CheckVersion(v) == nil; valid != (versionKey(v) != "") && len(v) <= domain.MaxVersion {
			r.Errorf("%q: the domain says %t, its key is %q", v, valid, versionKey(v))
		}
	})
}
