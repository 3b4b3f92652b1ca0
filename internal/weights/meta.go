package weights

import (
	"fmt"
	"iter"
	"math"
	"strconv"
)

// KV is one key of the metadata. Value is a bool, an integer of 8 to 64 bits
// with its sign, a float32 or float64, a string, a slice of one of these, or
// []any of slices (an array of arrays).
type KV struct {
	Key   string
	Value any
}

// Meta is the metadata of a model, typed as the file has it. The zero value has
// no keys. Getters return a *MissingKeyError when there is no such key and a
// *KeyTypeError when it holds something else.
type Meta struct {
	kvs   []KV
	index map[string]int
}

// NewMeta returns the metadata with these keys, in this order, and keeps the
// slice. It returns a *DuplicateError when a key is there twice.
func NewMeta(kvs []KV) (Meta, error) {
	m := Meta{kvs: kvs, index: make(map[string]int, len(kvs))}
	for i, kv := range kvs {
		if _, twice := m.index[kv.Key]; twice {
			return Meta{}, &DuplicateError{Kind: "key", Name: kv.Key}
		}
		m.index[kv.Key] = i
	}
	return m, nil
}

// Keys yields the keys in the order of the file.
func (m Meta) Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, kv := range m.kvs {
			if !yield(kv.Key) {
				return
			}
		}
	}
}

// All yields keys with their values, in the order of the file. Values must not
// be written to.
func (m Meta) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, kv := range m.kvs {
			if !yield(kv.Key, kv.Value) {
				return
			}
		}
	}
}

// Len is the number of keys.
func (m Meta) Len() int { return len(m.kvs) }

// Has reports whether there is such a key.
func (m Meta) Has(key string) bool {
	_, ok := m.index[key]
	return ok
}

// Or returns what get finds under key, or def when there is no such key. A
// value of another type is still an error:
//
//	base, err := weights.Or(meta.Float, "llama.rope.freq_base", 10000)
func Or[T any](get func(key string) (T, error), key string, def T) (T, error) {
	v, err := get(key)
	if _, missing := err.(*MissingKeyError); missing { //nolint:errorlint // get is a getter of Meta, which does not wrap
		return def, nil
	}
	return v, err
}

// value returns what the key holds.
func (m Meta) value(key string) (any, error) {
	i, ok := m.index[key]
	if !ok {
		return nil, &MissingKeyError{Key: key}
	}
	return m.kvs[i].Value, nil
}

// exactly returns the key's value, which must be a T in the file too.
func exactly[T any](m Meta, key, want string) (T, error) {
	var zero T
	v, err := m.value(key)
	if err != nil {
		return zero, err
	}
	if t, ok := v.(T); ok {
		return t, nil
	}
	return zero, typeError(key, want, v)
}

// String returns a string.
func (m Meta) String(key string) (string, error) { return exactly[string](m, key, "a string") }

// Bool returns a boolean.
func (m Meta) Bool(key string) (bool, error) { return exactly[bool](m, key, "a boolean") }

// Strings returns an array of strings. The caller must not write to it.
func (m Meta) Strings(key string) ([]string, error) {
	return exactly[[]string](m, key, "an array of strings")
}

// Bools returns an array of booleans. The caller must not write to it.
func (m Meta) Bools(key string) ([]bool, error) {
	return exactly[[]bool](m, key, "an array of booleans")
}

// Uint returns an integer of any width and sign that is not negative.
func (m Meta) Uint(key string) (uint64, error) {
	v, err := m.value(key)
	if err != nil {
		return 0, err
	}
	if u, ok := v.(uint64); ok {
		return u, nil
	}
	i, ok := integer(v)
	if !ok {
		return 0, typeError(key, "an integer", v)
	}
	if i < 0 {
		return 0, &KeyTypeError{Key: key, Want: "an integer of at least 0", Have: fmt.Sprint(v)}
	}
	return uint64(i), nil
}

// Int returns an integer of any width and sign that fits 64 bits with a sign.
func (m Meta) Int(key string) (int64, error) {
	v, err := m.value(key)
	if err != nil {
		return 0, err
	}
	i, ok := integer(v)
	if !ok {
		return 0, typeError(key, "an integer that fits 63 bits", v)
	}
	return i, nil
}

// Float returns a float of 32 or 64 bits.
func (m Meta) Float(key string) (float64, error) {
	v, err := m.value(key)
	if err != nil {
		return 0, err
	}
	switch f := v.(type) {
	case float32:
		return float64(f), nil
	case float64:
		return f, nil
	}
	return 0, typeError(key, "a float", v)
}

// Floats returns an array of floats of 32 or 64 bits, these rounded. The caller
// must not write to it.
func (m Meta) Floats(key string) ([]float32, error) {
	v, err := m.value(key)
	if err != nil {
		return nil, err
	}
	switch f := v.(type) {
	case []float32:
		return f, nil
	case []float64:
		out := make([]float32, len(f))
		for i, x := range f {
			out[i] = float32(x)
		}
		return out, nil
	}
	return nil, typeError(key, "an array of floats", v)
}

// Ints returns an array of integers of any width and sign, widened. Values that
// do not fit are an error.
func (m Meta) Ints(key string) ([]int64, error) {
	v, err := m.value(key)
	if err != nil {
		return nil, err
	}
	switch a := v.(type) {
	case []uint8:
		return widen(a), nil
	case []int8:
		return widen(a), nil
	case []uint16:
		return widen(a), nil
	case []int16:
		return widen(a), nil
	case []uint32:
		return widen(a), nil
	case []int32:
		return widen(a), nil
	case []int64:
		return widen(a), nil
	case []uint64:
		for _, x := range a {
			if x > math.MaxInt64 {
				return nil, &KeyTypeError{Key: key, Want: "integers that fit 63 bits", Have: strconv.FormatUint(x, 10)}
			}
		}
		return widen(a), nil
	}
	return nil, typeError(key, "an array of integers", v)
}

func widen[T uint8 | int8 | uint16 | int16 | uint32 | int32 | uint64 | int64](a []T) []int64 {
	out := make([]int64, len(a))
	for i, x := range a {
		out[i] = int64(x)
	}
	return out
}

// integer returns v as an int64 if it is an integer that fits.
func integer(v any) (int64, bool) {
	switch i := v.(type) {
	case uint8:
		return int64(i), true
	case int8:
		return int64(i), true
	case uint16:
		return int64(i), true
	case int16:
		return int64(i), true
	case uint32:
		return int64(i), true
	case int32:
		return int64(i), true
	case int64:
		return i, true
	case uint64:
		return int64(i), i <= math.MaxInt64 //nolint:gosec // the second result says whether it fits
	}
	return 0, false
}
