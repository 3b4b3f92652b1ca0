package rung

import (
	"io/fs"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
)

func TestSpan(t *testing.T) {
	obj := base.Object{Name: "a", Size: 100}
	for _, c := range []struct {
		off  int64
		n    int
		want int // -1 when it is outside
	}{
		{0, 100, 100},
		{0, 0, 0},
		{99, 1, 1},
		{99, 50, 1},
		{100, 0, 0},
		{100, 1, -1},
		{101, 0, -1},
		{-1, 1, -1},
		{math.MinInt64, 1, -1},
		{math.MaxInt64, math.MaxInt, -1},
	} {
		n, err := Span(obj, c.off, c.n)
		if c.want < 0 {
			var re *ReadError
			require.ErrorAs(t, err, &re)
			require.ErrorIs(t, err, ErrOutside)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.want, n, "%d bytes at %d", c.n, c.off)
	}
	n, err := Span(base.Object{Size: math.MaxInt64}, 0, math.MaxInt)
	require.NoError(t, err)
	require.Equal(t, math.MaxInt, n)
}

func TestReadErrorSaysWhatAndWhere(t *testing.T) {
	err := &ReadError{Object: base.Object{Name: "m.gguf"}, Off: 4096, Len: 512, Err: fs.ErrClosed}
	require.EqualError(t, err, "reading 512 bytes at 4096 of m.gguf: file already closed")
	require.ErrorIs(t, err, fs.ErrClosed)
}
