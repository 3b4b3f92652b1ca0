package weights

import (
	"errors"

	"github.com/lite-llm/lite/internal/quant"
)

// Source shows a model's description to what builds something of it, such as
// the model's family or its tokenizer: a key that is absent is not an error
// there, but ok = false. Values of another type are a *KeyTypeError.
type Source struct{ m *Model }

// Source is the description for who builds from it.
func (m *Model) Source() Source { return Source{m} }

// optional turns a getter's missing key into ok = false.
func optional[T any](v T, err error) (T, bool, error) {
	if _, missing := errors.AsType[*MissingKeyError](err); missing {
		return v, false, nil
	}
	return v, err == nil, err
}

// Uint is an unsigned integer.
func (s Source) Uint(key string) (uint64, bool, error) { return optional(s.m.Meta.Uint(key)) }

// Bool is a truth value.
func (s Source) Bool(key string) (v, ok bool, err error) { return optional(s.m.Meta.Bool(key)) }

// String is a text.
func (s Source) String(key string) (string, bool, error) { return optional(s.m.Meta.String(key)) }

// Strings is an array of texts.
func (s Source) Strings(key string) ([]string, bool, error) {
	return optional(s.m.Meta.Strings(key))
}

// Floats is an array of floats.
func (s Source) Floats(key string) ([]float32, bool, error) { return optional(s.m.Meta.Floats(key)) }

// Ints is an array of integers.
func (s Source) Ints(key string) ([]int64, bool, error) { return optional(s.m.Meta.Ints(key)) }

// Float is a number: it takes integers too: some converters write whole numbers so.
func (s Source) Float(key string) (float64, bool, error) {
	v, ok, err := optional(s.m.Meta.Float(key))
	if err != nil {
		if n, ok, ierr := optional(s.m.Meta.Int(key)); ierr == nil {
			return float64(n), ok, nil
		}
	}
	return v, ok, err
}

// Uints is an array of integers that are not negative.
func (s Source) Uints(key string) ([]uint64, bool, error) {
	v, ok, err := optional(s.m.Meta.Ints(key))
	if err != nil || !ok {
		return nil, ok, err
	}
	out := make([]uint64, len(v))
	for i, n := range v {
		if n < 0 {
			return nil, true, &KeyTypeError{Key: key, Want: "integers of at least 0", Have: "negative ones"}
		}
		out[i] = uint64(n)
	}
	return out, true, nil
}

// Tensor is the type and the dimensions of a tensor.
func (s Source) Tensor(name string) (quant.Type, []int, bool) {
	t, ok := s.m.Tensor(name)
	return t.Type, t.Dims, ok
}
