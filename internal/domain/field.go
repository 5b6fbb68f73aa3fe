package domain

import "errors"

var errEmpty = errors.New("must not be empty; null withdraws it")

// given reports whether the field carries a value.
func (f Field[T]) given() bool { return f.Set && !f.Null }

// unlessZero gives v, or leaves the field out when v is the zero value.
func unlessZero[T comparable](v T) Field[T] {
	var zero T
	if v == zero {
		return Field[T]{}
	}
	return Give(v)
}

// present refuses a command whose only field is left out.
func present[T any](name string, f Field[T]) *Error {
	if f.Set {
		return nil
	}
	return invalid(name, "the field %s is required; null withdraws it", name)
}

// optional normalises a field that may be null: then it is the empty text. A
// text that is given must not be empty.
func optional(f Field[string], normalise func(string) (string, error)) (string, error) {
	switch {
	case !f.given():
		return "", nil
	case f.Value == "":
		return "", errEmpty
	}
	return normalise(f.Value)
}

// firstError returns the first refusal, in the order of the fields.
func firstError(errs ...*Error) *Error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
