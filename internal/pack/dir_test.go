package pack

import (
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFull tells a full disk and a used up quota from other errors.
func TestFull(t *testing.T) {
	d := &Dir{path: "p"}
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		err := d.full(&fs.PathError{Op: "write", Path: "p", Err: cause}, 7)
		var full *SpaceError
		require.ErrorAs(t, err, &full)
		require.EqualValues(t, 7, full.Need)
	}
	require.Equal(t, syscall.EIO, d.full(syscall.EIO, 7))
	require.NoError(t, d.full(nil, 7))
}
