package gguf

import (
	"fmt"
	"math/bits"

	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/weights"
)

// The least bytes that a key with its value and a tensor's description take.
const (
	minKeyBytes  = 8 + 1 + 4 + 1
	minInfoBytes = 8 + 1 + 4 + 8 + 4 + 8
)

// header is the start of a file.
type header struct {
	tensors, keys int
}

// header reads and checks the magic, the version and the counts.
func (r *reader) header() header {
	if r.size == 0 {
		r.fail("is empty")
		return header{}
	}
	magic := r.take(int(min(4, r.size)))
	if r.err == nil && magic != "GGUF" {
		r.fail("is not a GGUF file (starts with %q)", magic)
	}
	r.version(r.u32())
	r.what = "the file"
	h := header{
		tensors: r.count(MaxTensors, minInfoBytes, "tensors"),
		keys:    r.count(MaxKeys, minKeyBytes, "metadata keys"),
	}
	return h
}

// version refuses all but 2 and 3, which differ in nothing but that a 3 may be
// big-endian.
func (r *reader) version(v uint32) {
	switch swapped := bits.ReverseBytes32(v); {
	case r.err != nil || v == 2 || v == 3:
	case swapped >= 1 && swapped <= 3:
		r.fail("is a big-endian GGUF file; only little-endian ones are read, convert it")
	case v == 1:
		r.fail("is a GGUF file of version 1, which nothing writes any more; convert it to version 3")
	default:
		r.fail("is a GGUF file of version %d; versions 2 and 3 are read", v)
	}
}

// keys reads n keys with their values.
func (r *reader) keys(n int) []weights.KV {
	kvs := make([]weights.KV, 0, n)
	for i := 0; i < n && r.err == nil; i++ {
		r.what = fmt.Sprintf("key %d of %d", i+1, n)
		key := r.label(MaxKeyLen)
		if r.err != nil {
			break
		}
		r.what = fmt.Sprintf("the value of key %q", key)
		if value := r.value(r.u32(), 0); r.err == nil {
			kvs = append(kvs, weights.KV{Key: key, Value: value})
		}
	}
	return kvs
}

// info is a tensor's description as the file has it.
type info struct {
	name   string
	typ    quant.Type
	dims   []int
	size   int64 // of the data in bytes, -1 when the type is of unknown size
	offset uint64
}

// infos reads n descriptions of tensors.
func (r *reader) infos(n int) []info {
	all := make([]info, 0, n)
	for i := 0; i < n && r.err == nil; i++ {
		r.what = fmt.Sprintf("the description of tensor %d of %d", i+1, n)
		all = append(all, r.info())
	}
	return all
}

func (r *reader) info() info {
	t := info{name: r.label(MaxNameLen)}
	if r.err != nil {
		return t
	}
	r.what = "the description of tensor " + t.name
	n := r.u32()
	if r.err == nil && (n == 0 || n > MaxDims) {
		r.fail("declares %d dimensions for tensor %s, it must be 1 to %d", n, t.name, MaxDims)
	}
	if r.err != nil {
		return t
	}
	dims := make([]uint64, n)
	for i := range dims {
		dims[i] = r.u64()
	}
	t.typ, t.offset = quant.Type(r.u32()), r.u64()
	if r.err != nil {
		return t
	}
	var err error
	if t.dims, t.size, err = extent(t.typ, dims); err != nil {
		r.fail("declares tensor %s with dimensions %v as %s: %v", t.name, dims, t.typ, err)
	}
	return t
}
