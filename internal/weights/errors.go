package weights

import "fmt"

// MissingKeyError is returned by a getter of Meta for a key that is not there.
type MissingKeyError struct{ Key string }

// Error implements error.
func (e *MissingKeyError) Error() string {
	return fmt.Sprintf("the model's metadata has no key %q", e.Key)
}

// KeyTypeError is returned by a getter of Meta for a key that holds something
// else than asked for.
type KeyTypeError struct {
	Key string
	// Want and Have say what was asked for and what is there, such as "an
	// array of strings" and "uint32".
	Want, Have string
}

// Error implements error.
func (e *KeyTypeError) Error() string {
	return fmt.Sprintf("the model's metadata key %q must be %s, but is %s", e.Key, e.Want, e.Have)
}

// typeError says what v is by its Go type, which names what the file has.
func typeError(key, want string, v any) *KeyTypeError {
	have := fmt.Sprintf("%T", v)
	switch v.(type) {
	case []any:
		have = "an array of arrays"
	case uint64:
		have = fmt.Sprintf("uint64 %d", v)
	}
	return &KeyTypeError{Key: key, Want: want, Have: have}
}

// DuplicateError is returned when two keys, or two tensors, have one name: which
// of them counts would depend on the reader.
type DuplicateError struct{ Kind, Name string }

// Error implements error.
func (e *DuplicateError) Error() string { return fmt.Sprintf("has the %s %q twice", e.Kind, e.Name) }
