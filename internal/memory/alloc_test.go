package memory

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestAllocIsZeroAlignedAndCounted(t *testing.T) {
	before := InUse()
	for _, n := range []int{1, 4095, 4096, 1<<20 + 1, 3 << 20} {
		b, err := Alloc(n)
		require.NoError(t, err)
		require.Len(t, b, n)
		require.Equal(t, n, cap(b), "an append must not write past the end")
		require.Zero(t, uintptr(unsafe.Pointer(&b[0]))%4096)
		require.Equal(t, before+int64(n), InUse())
		for i := range b {
			require.Zero(t, b[i])
			b[i] = byte(i)
		}
		require.NoError(t, Free(b))
		require.Equal(t, before, InUse())
	}
}

func TestAllocRefuses(t *testing.T) {
	before := InUse()
	for _, n := range []int{0, -1, 1 << 60} {
		_, err := Alloc(n)
		var ae *AllocError
		require.ErrorAs(t, err, &ae, n)
		require.Equal(t, n, ae.Bytes)
		require.ErrorContains(t, err, "--memory")
	}
	require.Equal(t, before, InUse())
}

func TestFreeOfWhatIsNotWhole(t *testing.T) {
	require.NoError(t, Free(nil))
	b, err := Alloc(2 << 20)
	require.NoError(t, err)
	before := InUse()
	require.Error(t, Free(b[:4096]))
	require.Equal(t, before, InUse())
	require.NoError(t, Free(b))
}

func TestResize(t *testing.T) {
	before := InUse()
	b, err := Alloc(1 << 20)
	require.NoError(t, err)
	for _, n := range []int{3 << 20, 3 << 20, 4096, 1<<20 + 4096, 1} {
		b, err = Resize(b, n)
		require.NoError(t, err)
		require.Len(t, b, n)
		require.Equal(t, n, cap(b))
		require.Equal(t, before+int64(n), InUse())
		for i := range b { // all of it is there
			b[i] = byte(n)
		}
	}
	_, err = Resize(b, 1<<60)
	var ae *AllocError
	require.ErrorAs(t, err, &ae)
	b[0] = 7 // a failure leaves what there was
	require.NoError(t, Free(b))
	require.Equal(t, before, InUse())
}

// BenchmarkTouch measures what pages cost that the process has not had yet,
// which is what a slot costs that is not reused.
func BenchmarkTouch(b *testing.B) {
	touch := func(p []byte) {
		for i := 0; i < len(p); i += 4096 {
			p[i] = 1
		}
	}
	for _, size := range []int{640 << 10, 4 << 20} {
		b.Run(fmt.Sprintf("slot=fresh/size=%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				p, err := Alloc(size)
				require.NoError(b, err)
				touch(p)
				require.NoError(b, Free(p))
			}
		})
		b.Run(fmt.Sprintf("slot=resized/size=%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			p, err := Alloc(size)
			require.NoError(b, err)
			for other := size * 7 / 8; b.Loop(); other, size = size, other {
				p, err = Resize(p, other)
				require.NoError(b, err)
				touch(p)
			}
			require.NoError(b, Free(p))
		})
	}
}
