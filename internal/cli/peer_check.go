package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// checkRows refuses what a file alone shows to be wrong. If so asked it takes
// away the ids first, so that every row needs a description.
func checkRows(rows []peerRow, ignoreIDs bool) error {
	for _, r := range rows {
		if ignoreIDs {
			delete(r.fields, "id")
			if r.fields["description"] == "" {
				return fmt.Errorf("%s: has no description, and ids are ignored", r.place)
			}
		}
		if err := r.check(); err != nil {
			return fmt.Errorf("%s: %w", r.place, err)
		}
	}
	return unique(rows)
}

// check refuses what the file alone shows to be wrong.
func (r peerRow) check() error {
	if r.fields["id"] == "" && r.fields["description"] == "" {
		return errors.New("has neither an id nor a description")
	}
	if v := r.fields["port"]; v != "" {
		if _, err := strconv.Atoi(v); err != nil {
			return fmt.Errorf("port: %q is not a whole number", v)
		}
	}
	if v := r.fields["enabled"]; v != "" && v != "true" && v != "false" {
		return fmt.Errorf("enabled: %q is neither true nor false", v)
	}
	return nil
}

// unique refuses two rows about the same peer: which of them holds would depend
// on their order.
func unique(rows []peerRow) error {
	places := map[string]string{}
	for _, r := range rows {
		for _, field := range []string{"id", "description"} {
			v := r.fields[field]
			if v == "" {
				continue
			}
			name := field + " " + strings.ToLower(v)
			if first, taken := places[name]; taken {
				return fmt.Errorf("%s: has the same %s as %s, %q; a peer can be in a file once", r.place, field, first, v)
			}
			places[name] = r.place
		}
	}
	return nil
}
