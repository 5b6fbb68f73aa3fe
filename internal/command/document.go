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
	if refusal := checkText(body); refusal != nil {
		return document, refusal
	}
	if isBlank(body) {
		body = []byte("{}")
	}
	if refusal := checkSyntax(body); refusal != nil {
		return document, refusal
	}
	w := walker{data: body}
	if refusal := w.value(shapeOf(reflect.TypeFor[T]()), "", domain.CommandName(name)); refusal != nil {
		return document, refusal
	}
	if err := json.Unmarshal(body, &document); err != nil { // the walker has refused all that is known to fail here
		return document, malformed("", "the body is not a %s", name)
	}
	return document, nil
}
