package model

import "github.com/lite-llm/lite/internal/quant"

// Source is what a family builds a model from: hyper-parameters under the keys
// of GGUF, and the shapes of tensors. A getter's ok is false when the key is
// absent; its error says that the value has another type.
type Source interface {
	Uint(key string) (v uint64, ok bool, err error)
	Float(key string) (v float64, ok bool, err error)
	Bool(key string) (v, ok bool, err error)
	String(key string) (v string, ok bool, err error)
	Strings(key string) (v []string, ok bool, err error)
	Uints(key string) (v []uint64, ok bool, err error)
	// Tensor is the type and the dimensions of a tensor, contiguous one first.
	Tensor(name string) (t quant.Type, dims []int, ok bool)
}

// Data returns the bytes of a trunk tensor, which stay valid and unchanged as
// long as the model is used.
type Data func(name string) []byte
