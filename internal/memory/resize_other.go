//go:build !linux

package memory

// advise does nothing where huge pages cannot be asked for.
func advise([]byte) {}

// adviseSmall does nothing either.
func adviseSmall([]byte) {}

// resize frees after it allocates, so that b is left when there is no room.
func resize(b []byte, n int) ([]byte, error) {
	r, err := alloc(n)
	if err != nil {
		return nil, err
	}
	return r, free(b)
}
