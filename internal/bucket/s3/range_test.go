package s3

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzContentRange holds that what is understood of a range is what it says.
func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-9/10", "bytes 5-5/6", "bytes */10", "bytes 0-9/*", "", "bytes 1-/2", "bytes -1-2/3", "lines 0-1/2", "bytes 9223372036854775808-1/1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, last, size, ok := contentRange(s)
		if !ok {
			return
		}
		require.True(t, first >= 0 && last >= 0 && size >= 0)
		again, l2, s2, ok := contentRange(fmt.Sprintf("bytes %d-%d/%d", first, last, size))
		require.True(t, ok)
		require.Equal(t, [3]int64{first, last, size}, [3]int64{again, l2, s2})
	})
}

func TestWord(t *testing.T) {
	for s, want := range map[string]string{
		"NoSuchKey": "NoSuchKey", "400 Bad Request": "", "\x1b[31m": "", "": "", "ключ": "",
		"AnExtremelyLongCodeOfAnErrorThatNoStoreWouldEverThinkOfButAnAttacker": "",
	} {
		require.Equal(t, want, word(s), s)
	}
}
