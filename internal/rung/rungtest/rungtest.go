// Package rungtest is the conformance suite of rungs.
package rungtest

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/rung"
)

// Run holds a rung to its contract. create returns a rung that holds data
// under the returned object.
func Run(t *testing.T, create func(t *testing.T, data []byte) (rung.Rung, base.Object)) {
	t.Helper()
	data := make([]byte, 3<<20+777)
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range data {
		data[i] = byte(rnd.Uint32())
	}
	r, obj := create(t, data)
	require.Equal(t, int64(len(data)), obj.Size)
	align := r.Align()

	t.Run("reads ranges", func(t *testing.T) {
		for range 50 {
			off, n := rnd.IntN(len(data))/align*align, (1+rnd.IntN(200_000)+align-1)/align*align
			p := buffer(t, n)
			require.NoError(t, r.ReadAt(context.Background(), obj, p, int64(off)))
			want := data[off:min(off+n, len(data))]
			require.True(t, bytes.Equal(want, p[:len(want)]))
		}
	})
	t.Run("reads concurrently", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 8 {
			p := buffer(t, align*16)
			wg.Go(func() {
				for j := range 50 {
					off := (i*50 + j) * align
					if err := r.ReadAt(context.Background(), obj, p, int64(off)); err != nil || !bytes.Equal(p, data[off:off+len(p)]) {
						t.Errorf("read at %d: %v", off, err)
					}
				}
			})
		}
		wg.Wait()
	})
	t.Run("refuses", func(t *testing.T) {
		var re *rung.ReadError
		p := buffer(t, align)
		require.ErrorAs(t, r.ReadAt(context.Background(), base.Object{Name: "nothing", Size: 1 << 20}, p, 0), &re)
		longer := base.Object{Name: obj.Name, Size: obj.Size + 1<<20}
		require.ErrorAs(t, r.ReadAt(context.Background(), longer, p, int64(len(data)+align)/int64(align)*int64(align)), &re)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		require.ErrorIs(t, r.ReadAt(ctx, obj, p, 0), context.Canceled)
	})
	if v, ok := r.(rung.Viewer); ok {
		t.Run("views", func(t *testing.T) {
			got, err := v.View(base.Range{Object: obj, Off: 5, Len: 1000})
			require.NoError(t, err)
			require.True(t, bytes.Equal(data[5:1005], got))
			_, err = v.View(base.Range{Object: obj, Off: obj.Size, Len: 1})
			require.Error(t, err)
		})
	}
	require.NoError(t, r.Close())
}

// buffer returns memory that suits every alignment.
func buffer(t *testing.T, n int) []byte {
	t.Helper()
	b, err := memory.Alloc(n)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, memory.Free(b)) })
	return b
}
