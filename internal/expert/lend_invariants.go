//go:build invariants

package expert

// lend is what a lease reads: a copy of its own, so that a reader who keeps it
// beyond the release, or writes to it, changes nothing but its own result, and
// a test sees it.
func lend(parts, into [][]byte) [][]byte {
	into = into[:0]
	for _, p := range parts {
		copied := make([]byte, len(p))
		copy(copied, p)
		into = append(into, copied)
	}
	return into
}

// spoil overwrites what was lent.
func spoil(lent [][]byte) {
	for _, b := range lent {
		for i := range b {
			b[i] = 0xa5
		}
	}
}
