package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFile writes files of sizes around the buffer and the alignment, in pieces
// that fit neither.
func TestFile(t *testing.T) {
	for _, size := range []int{0, 1, 4095, 4096, 4097, bufferBytes - 1, bufferBytes, bufferBytes + 1, 2*bufferBytes + 777} {
		path := filepath.Join(t.TempDir(), "f")
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(i % 253)
		}
		f, err := create(path)
		require.NoError(t, err)
		for rest := want; len(rest) > 0; {
			n, err := f.Write(rest[:min(len(rest), 1_000_003)])
			require.NoError(t, err)
			rest = rest[n:]
		}
		require.NoError(t, f.Close())
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Len(t, got, len(want))
		require.Equal(t, want, got)
	}
}

// TestFileFull reports a device that takes nothing.
func TestFileFull(t *testing.T) {
	f, err := create("/dev/full")
	if err != nil {
		t.Skipf("no /dev/full here: %v", err)
	}
	_, err = f.Write(make([]byte, bufferBytes))
	require.Error(t, err)
	require.Error(t, f.Close())
}
