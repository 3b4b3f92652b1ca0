package memory

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// flags are the kernel's words for the mapping that b begins in.
func flags(t *testing.T, b []byte) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	at, inside := uint64(uintptr(unsafe.Pointer(&b[0]))), false
	for line := range strings.Lines(string(text)) {
		var lo, hi uint64
		if n, _ := fmt.Sscanf(line, "%x-%x ", &lo, &hi); n == 2 {
			inside = lo <= at && at < hi
		}
		if words, ok := strings.CutPrefix(line, "VmFlags:"); ok && inside {
			return words
		}
	}
	return ""
}

// TestPages holds that what is resized never has a huge page, of which a part
// that is given back would stay charged.
func TestPages(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); err != nil {
		t.Skip("this kernel has no huge pages for anonymous memory")
	}
	large, err := Alloc(4 << 20)
	require.NoError(t, err)
	small, err := AllocSmall(4 << 20)
	require.NoError(t, err)
	require.Contains(t, flags(t, large), " hg")
	require.Contains(t, flags(t, small), " nh")
	small, err = Resize(small, 9<<20)
	require.NoError(t, err)
	require.Contains(t, flags(t, small), " nh", "also when it has moved")
	require.NoError(t, Free(small))
	require.NoError(t, Free(large))
}
