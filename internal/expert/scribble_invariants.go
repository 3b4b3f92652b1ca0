//go:build invariants

package expert

// scribble spoils the bytes of an expert that left, so that a reader without a
// lease computes nonsense and a test sees it.
func scribble(b []byte) {
	for i := range b {
		b[i] = 0xa5
	}
}
