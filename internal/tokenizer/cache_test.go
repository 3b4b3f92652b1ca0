package tokenizer

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheCacheKeepsShortPieces counts what is computed anew.
func TestTheCacheKeepsShortPieces(t *testing.T) {
	var c cache
	fresh := map[string]int{}
	length := func(dst []int32, piece string) []int32 {
		fresh[piece]++
		return append(dst, int32(len(piece)))
	}
	long := strings.Repeat("x", cachedLength+1)
	for range 3 {
		require.Equal(t, []int32{7, 2, cachedLength, cachedLength + 1},
			c.encode(c.encode(c.encode([]int32{7}, "ab", length), long[1:], length), long, length))
	}
	require.Equal(t, map[string]int{"ab": 1, long[1:]: 1, long: 3}, fresh)
}

// TestTheCacheIsBounded fills it more than once.
func TestTheCacheIsBounded(t *testing.T) {
	var c cache
	number := func(dst []int32, piece string) []int32 {
		n, err := strconv.Atoi(piece)
		require.NoError(t, err)
		return append(dst, int32(n))
	}
	for i := range 2*cachedPieces + 100 {
		require.Equal(t, []int32{int32(i)}, c.encode(nil, strconv.Itoa(i), number))
		require.LessOrEqual(t, len(c.mu.ids), cachedPieces)
	}
}

// TestKeptTokensAreNotTheCallers writes over what it got.
func TestKeptTokensAreNotTheCallers(t *testing.T) {
	tok := must(t, smallBPE("gpt-2"))
	want := tok.Encode(nil, "thein", Options{})
	for _, ids := range [][]int32{tok.Encode(nil, "thein", Options{}), tok.Encode(make([]int32, 0, 8), "thein", Options{})} {
		clear(ids)
	}
	require.Equal(t, want, tok.Encode(nil, "thein", Options{}))
}
