// Package kernel names the implementations of the arithmetic and chooses one.
// It stands where the two roads meet: a token's activations and an expert's
// weights become numbers only below this directory (linear, vec, attn).
//
// Every implementation gives the same bits (docs/format/numerics.md); the
// choice is one of time.
package kernel

import (
	"fmt"
	"os"
	"strings"
)

// Impl is an implementation of all kernels.
type Impl uint8

// The implementations. Reference is plain Go, runs everywhere and is the
// definition of the results.
const (
	Reference Impl = iota
	AVX2
)

var names = [...]string{Reference: "reference", AVX2: "avx2"}

// String is the name that LITE_KERNELS takes.
func (i Impl) String() string { return names[i] }

// Parse returns the implementation of that name. It returns an error when the
// name is unknown, or when this processor or build cannot run it.
func Parse(name string) (Impl, error) {
	for i, n := range names {
		if n != strings.ToLower(name) {
			continue
		}
		if Impl(i) > best() {
			return 0, fmt.Errorf("kernels %q: this processor or build cannot run them (best here: %s)", name, best())
		}
		return Impl(i), nil
	}
	return 0, fmt.Errorf("kernels %q: unknown, choose one of %s", name, strings.Join(names[:], ", "))
}

// Default is the implementation that the environment variable LITE_KERNELS
// names, or the fastest that this processor runs.
func Default() (Impl, error) {
	if name := os.Getenv("LITE_KERNELS"); name != "" {
		return Parse(name)
	}
	return best(), nil
}

// Available lists the implementations that run here, Reference first.
func Available() []Impl {
	var all []Impl
	for i := Reference; i <= best(); i++ {
		all = append(all, i)
	}
	return all
}
