// Package weights describes a model file, whatever its format: metadata by key
// and tensors by name, each with its type, its dimensions and the range of
// bytes it stands in. It reads no weights. On the parameter's road it stands
// after vfs: the readers below it (weights/gguf) fill a Model, and everything
// above finds its bytes through one.
package weights

import (
	"fmt"
	"iter"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/quant"
)

// Tensor is a named array in a file.
type Tensor struct {
	Name string
	// Type is the block format. A reader keeps types that quant does not
	// support: the model may have no use for the tensor.
	Type quant.Type
	// Dims are the lengths, at least one and each at least 1, fastest first:
	// consecutive values differ in Dims[0]. A matrix with Dims {cols, rows} maps
	// cols inputs to rows outputs.
	Dims []int
	// Range is where the blocks are, row after row without padding. It is empty
	// when Stack is set.
	Range base.Range
	// Stack is where the parts along the outermost dimension stand, at least one,
	// each without padding inside, in a file that keeps them apart; nil when Range
	// says it all.
	Stack *base.Stack
}

// Elements is the number of values, the product of the dimensions. Readers
// have checked that it fits.
func (t Tensor) Elements() int {
	n := 1
	for _, d := range t.Dims {
		n *= d
	}
	return n
}

// Dim is the i-th dimension, 1 past the last one.
func (t Tensor) Dim(i int) int {
	if i < len(t.Dims) {
		return t.Dims[i]
	}
	return 1
}

// Slice is the range of the i-th of n equal parts along the outermost
// dimension, such as one expert of a stack. It returns an error when the tensor
// does not divide into n parts or has fewer than i+1.
func (t Tensor) Slice(i, n int) (base.Range, error) {
	if t.Stack != nil {
		return t.part(i, n)
	}
	if n <= 0 || i < 0 || i >= n || t.Dims[len(t.Dims)-1]%n != 0 || t.Range.Len%int64(n) != 0 {
		return base.Range{}, fmt.Errorf("tensor %s with dimensions %v has no part %d of %d", t.Name, t.Dims, i, n)
	}
	part := t.Range
	part.Len /= int64(n)
	part.Off += int64(i) * part.Len
	return part, nil
}

// part is Slice for a tensor whose parts stand apart.
func (t Tensor) part(i, n int) (base.Range, error) {
	last := t.Stack.Runs[len(t.Stack.Runs)-1]
	if int64(n) != last.First+last.Count || i < 0 || i >= n {
		return base.Range{}, fmt.Errorf("tensor %s with dimensions %v, whose parts stand apart, has no part %d of %d", t.Name, t.Dims, i, n)
	}
	at := int64(i)
	if t.Stack.Order != nil {
		at = int64(t.Stack.Order[i])
	}
	for _, r := range t.Stack.Runs {
		if at < r.First+r.Count {
			size := r.At.Len - (r.Count-1)*r.Stride
			return base.Range{Object: r.At.Object, Off: r.At.Off + (at-r.First)*r.Stride, Len: size}, nil
		}
	}
	panic(fmt.Sprintf("weights: tensor %s has no run for part %d", t.Name, i))
}

// Model is what a file, or a set of split files, holds.
type Model struct {
	// Meta is the metadata; of split files, that of the first.
	Meta Meta
	// Objects are the files, in the order of the split.
	Objects []base.Object

	tensors []Tensor
	index   map[string]int
}

// New returns a model of these parts. It returns a *DuplicateError when two
// tensors have one name.
func New(meta Meta, objects []base.Object, tensors []Tensor) (*Model, error) {
	m := &Model{Meta: meta, Objects: objects, tensors: tensors, index: make(map[string]int, len(tensors))}
	for i, t := range tensors {
		if _, twice := m.index[t.Name]; twice {
			return nil, &DuplicateError{Kind: "tensor", Name: t.Name}
		}
		m.index[t.Name] = i
	}
	return m, nil
}

// Tensor returns the tensor of that name.
func (m *Model) Tensor(name string) (Tensor, bool) {
	i, ok := m.index[name]
	if !ok {
		return Tensor{}, false
	}
	return m.tensors[i], true
}

// Where is the range of the tensor of that name, which is there.
func (m *Model) Where(name string) base.Range {
	t, _ := m.Tensor(name)
	return t.Range
}

// Stack is where the parts of the tensor of that name stand, which is there. One
// that is in one piece is a run whose Count and Stride are 0: what a part is, its
// reader knows.
func (m *Model) Stack(name string) base.Stack {
	t, _ := m.Tensor(name)
	if t.Stack != nil {
		return *t.Stack
	}
	return base.Stack{Runs: []base.Run{{At: t.Range}}}
}

// Len is the number of tensors.
func (m *Model) Len() int { return len(m.tensors) }

// All yields every tensor in the order of the files.
func (m *Model) All() iter.Seq[Tensor] {
	return func(yield func(Tensor) bool) {
		for _, t := range m.tensors {
			if !yield(t) {
				return
			}
		}
	}
}
