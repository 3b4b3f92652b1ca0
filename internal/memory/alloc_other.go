//go:build !unix

package memory

import (
	"errors"
	"unsafe"
)

// pageSize is what allocations are aligned to where the system is not asked.
const pageSize = 4096

// errSize is returned for allocations of no bytes, as an anonymous mapping of
// none is refused elsewhere.
var errSize = errors.New("invalid size")

// alloc takes the bytes from the heap: this system has no anonymous mappings
// for Go without cgo.
func alloc(n int) ([]byte, error) {
	if n <= 0 {
		return nil, errSize
	}
	b := make([]byte, n+pageSize-1)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (pageSize - 1)) //nolint:gosec // only the address's low bits are looked at
	return b[skip : skip+n : skip+n], nil
}

// free leaves b to the garbage collector.
func free([]byte) error { return nil }
