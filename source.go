package lite

import (
	"errors"

	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/weights"
)

// source shows a file's description to what builds a model or a tokenizer of
// it: a key that is absent is not an error there.
type source struct{ w *weights.Model }

// optional turns a getter's missing key into ok = false.
func optional[T any](v T, err error) (T, bool, error) {
	if _, missing := errors.AsType[*weights.MissingKeyError](err); missing {
		return v, false, nil
	}
	return v, err == nil, err
}

func (s source) Uint(key string) (uint64, bool, error)   { return optional(s.w.Meta.Uint(key)) }
func (s source) Bool(key string) (v, ok bool, err error) { return optional(s.w.Meta.Bool(key)) }
func (s source) String(key string) (string, bool, error) { return optional(s.w.Meta.String(key)) }

func (s source) Strings(key string) ([]string, bool, error) {
	return optional(s.w.Meta.Strings(key))
}

func (s source) Floats(key string) ([]float32, bool, error) { return optional(s.w.Meta.Floats(key)) }
func (s source) Ints(key string) ([]int64, bool, error)     { return optional(s.w.Meta.Ints(key)) }

// Float takes integers too: some converters write whole numbers so.
func (s source) Float(key string) (float64, bool, error) {
	v, ok, err := optional(s.w.Meta.Float(key))
	if err != nil {
		if n, ok, ierr := optional(s.w.Meta.Int(key)); ierr == nil {
			return float64(n), ok, nil
		}
	}
	return v, ok, err
}

func (s source) Uints(key string) ([]uint64, bool, error) {
	v, ok, err := optional(s.w.Meta.Ints(key))
	if err != nil || !ok {
		return nil, ok, err
	}
	out := make([]uint64, len(v))
	for i, n := range v {
		if n < 0 {
			return nil, true, &weights.KeyTypeError{Key: key, Want: "integers of at least 0", Have: "negative ones"}
		}
		out[i] = uint64(n)
	}
	return out, true, nil
}

func (s source) Tensor(name string) (quant.Type, []int, bool) {
	t, ok := s.w.Tensor(name)
	return t.Type, t.Dims, ok
}
