package lite

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTokensAllocateNothing generates through the public API, text included: but
// for lists that grow now and then, a token costs no memory of the heap.
func TestTokensAllocateNothing(t *testing.T) {
	m, err := Open("tiny", Options{Memory: 1 << 30, Threads: 1, Context: 1024})
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	g := m.Generate(context.Background(), Request{Tokens: []int32{20, 30, 40}, MaxTokens: 250, IgnoreEnd: true, Stop: []string{"never said"}})
	var from, to runtime.MemStats
	n, text := 0, 0
	for token := range g.Tokens() {
		text += len(token.Text)
		switch n++; n {
		case 140: // after one page of the context has begun and before the next
			runtime.ReadMemStats(&from)
		case 240:
			runtime.ReadMemStats(&to)
		}
	}
	require.NoError(t, g.Err())
	require.Len(t, g.Text(), text)
	require.Less(t, to.Mallocs-from.Mallocs, uint64(20), "of a hundred tokens")
}
