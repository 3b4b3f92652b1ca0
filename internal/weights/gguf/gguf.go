// Package gguf reads and writes GGUF files, versions 2 and 3, little-endian:
// the container that llama.cpp's models come in (ggml's docs/gguf.md). It
// stands at the head of the parameter's road, between vfs and weights. It
// reads the description of a model and never its weights, which the rungs read
// in place by the ranges given here.
//
//	offset 0   magic "GGUF", version u32, tensor count u64, key count u64
//	keys       count × { key string, type u32, value }
//	tensors    count × { name string, dims u32, dim u64…, type u32, offset u64 }
//	padding    up to a multiple of general.alignment, which is 32 by default
//	data       blocks; a tensor's offset counts from here
//
// A string is a u64 length and that many bytes; an array is a type u32, a
// count u64 and the elements. Files are foreign: every count and length is held
// against a limit of limits.go and against the bytes that are left before
// anything is allocated for it. docs/format/gguf.md says what is accepted.
package gguf

import (
	"errors"
	"fmt"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights"
)

// The keys that the container itself gives a meaning to.
const (
	// KeyAlignment is what the offsets of tensors are multiples of, in bytes:
	// a power of two as a uint32, 32 where it is absent.
	KeyAlignment = "general.alignment"

	keySplitNo      = "split.no"
	keySplitCount   = "split.count"
	keySplitTensors = "split.tensors.count"
)

// Open reads the description of the model in the file at path. When the file is
// the first of a split, it reads those of the other parts too, which stand
// beside it. The error is a *FormatError when a file is not a whole GGUF file,
// and wraps what fsys returned when one cannot be opened or read.
func Open(fsys vfs.FS, path string) (*weights.Model, error) {
	first, err := readPart(fsys, path)
	if err != nil {
		return nil, err
	}
	parts, err := readSplit(fsys, first)
	if err != nil {
		return nil, err
	}
	var objects []base.Object
	var tensors []weights.Tensor
	for _, p := range parts {
		objects = append(objects, p.object)
		tensors = append(tensors, p.tensors...)
	}
	m, err := weights.New(first.meta, objects, tensors)
	if err != nil {
		return nil, duplicate(path, err)
	}
	return m, nil
}

// part is the description in one file.
type part struct {
	object  base.Object
	meta    weights.Meta
	tensors []weights.Tensor
}

// readPart reads the description in the file at path.
func readPart(fsys vfs.FS, path string) (*part, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	p, err := parse(f, path)
	return p, errors.Join(err, f.Close())
}

// parse reads the description in f. Errors name the file as path.
func parse(f vfs.File, path string) (*part, error) {
	r := newReader(f, path)
	h := r.header()
	kvs := r.keys(h.keys)
	infos := r.infos(h.tensors)
	if r.err != nil {
		return nil, r.err
	}
	meta, err := weights.NewMeta(kvs)
	if err != nil {
		return nil, duplicate(path, err)
	}
	align, err := alignment(meta)
	if err != nil {
		return nil, &FormatError{Path: path, What: err.Error()}
	}
	p := &part{object: base.Object{Name: path, Size: f.Size()}, meta: meta}
	l := layout{object: p.object, align: align, headerEnd: r.pos()}
	if p.tensors, err = l.place(infos); err != nil {
		return nil, err
	}
	return p, r.checkTail(l.dataEnd)
}

// alignment is the file's alignment of tensors in bytes.
func alignment(meta weights.Meta) (int64, error) {
	a, err := weights.Or(meta.Uint, KeyAlignment, defaultAlignment)
	if err != nil {
		return 0, fmt.Errorf("cannot be laid out: %w", err)
	}
	if a < MinAlignment || a > MaxAlignment || a&(a-1) != 0 {
		return 0, fmt.Errorf("has %s %d, which is not a power of two from %d to %d", KeyAlignment, a, MinAlignment, MaxAlignment)
	}
	return int64(a), nil
}
