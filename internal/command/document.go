package command

import (
	"encoding/json"
	"reflect"

	"github.com/peering/peering/internal/domain"
)

// DecodeDocument reads the JSON of something that is no command, called name in
// a refusal, as strictly as Decode reads commands: T is a struct of texts, whole
// numbers, truth values, times and structs of those. A field that is left out is
// zero. The error is a *domain.Error Malformed with the field and the place.
func DecodeDocument[T any](name string, body []byte) (T, error) {
	var document T
	if isBlank(body) {
		body = []byte("{}")
	}
	if refusal := check(body, shapeOf(reflect.TypeFor[T]()), domain.CommandName(name)); refusal != nil {
		return document, refusal
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return document, notA(domain.CommandName(name))
	}
	return document, nil
}
