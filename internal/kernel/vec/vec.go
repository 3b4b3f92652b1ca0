// Package vec is the arithmetic on rows of activations: exp and what is made
// of it, norms, softmax, rotary positions, sums. It stands on the token's
// road, inside every block of a model.
//
// The definitions are in docs/format/numerics-vector.md: additions, products,
// divisions, square roots and integer operations, each rounded once, in a
// stated order, so that every implementation and architecture gives the same
// bits. Which NaN an operation returns is left to the processor, except where
// a function says otherwise; whether it returns one is not.
package vec

import "github.com/lite-llm/lite/internal/kernel"

//go:generate go -C _asm run . -out ../vec_amd64.s -stubs ../stubs_amd64.go -pkg vec

// Kernels computes with one implementation. Its methods keep no state, can be
// called concurrently and allocate nothing. A destination may be one of the
// sources, but may not overlap one otherwise; slices that are too short panic.
type Kernels struct {
	impl kernel.Impl
}

var all = [...]Kernels{kernel.Reference: {kernel.Reference}, kernel.AVX2: {kernel.AVX2}}

// For returns the kernels of an implementation.
func For(impl kernel.Impl) *Kernels { return &all[impl] }

// lanes is the number of virtual lanes of a reduction: element i of a row
// belongs to lane i mod 16.
const lanes = 16

// whole is the part of a row of n elements that assembly works on: groups of
// 16. What is left of it takes the reference's road, element by element, and
// so does all of the row under Reference.
func (k *Kernels) whole(n int) int {
	if k.impl == kernel.Reference {
		return 0
	}
	return n &^ (lanes - 1)
}
