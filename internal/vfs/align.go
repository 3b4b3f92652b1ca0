package vfs

import "unsafe"

// DirectAlign is the alignment of direct reads where the system does not say:
// a page and a sector of every disk in use.
const DirectAlign = 4096

// AlignedBuffer returns n bytes at an address that is a multiple of align, a
// power of two. The slice's capacity ends with it.
func AlignedBuffer(n, align int) []byte {
	b := make([]byte, n+align-1)
	skip := int(-address(b) & uintptr(align-1))
	return b[skip : skip+n : skip+n]
}

// aligned reports whether a read of p at off is aligned to align.
func aligned(p []byte, off int64, align int) bool {
	mask := align - 1
	return int(off)&mask == 0 && len(p)&mask == 0 && address(p)&uintptr(mask) == 0
}

// address is where the bytes of b begin, 0 for a nil slice.
func address(b []byte) uintptr {
	return uintptr(unsafe.Pointer(unsafe.SliceData(b))) //nolint:gosec // only its low bits are looked at
}
