package vfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// both returns the same file on the disk and in memory.
func both(t *testing.T, data []byte) map[string]struct {
	fs   DirectFS
	name string
} {
	path := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return map[string]struct {
		fs   DirectFS
		name string
	}{"os": {OS{}, path}, "mem": {Mem{"data": data}, "data"}}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

// TestRead runs the standard library's checks of an io.ReaderAt over both file
// systems, and ours of what the File adds.
func TestRead(t *testing.T) {
	data := randomBytes(10_000)
	for name, c := range both(t, data) {
		t.Run(name, func(t *testing.T) {
			f, err := c.fs.Open(c.name)
			require.NoError(t, err)
			require.Equal(t, c.name, f.Name())
			require.EqualValues(t, len(data), f.Size())
			require.NoError(t, iotest.TestReader(io.NewSectionReader(f, 0, f.Size()), data))

			p := make([]byte, 100)
			n, err := f.ReadAt(p, f.Size()-60)
			require.Equal(t, 60, n)
			require.Equal(t, io.EOF, err)
			require.Equal(t, data[len(data)-60:], p[:n])
			_, err = f.ReadAt(p, -1)
			require.Error(t, err)
			n, err = f.ReadAt(p, f.Size()+5)
			require.Zero(t, n)
			require.Equal(t, io.EOF, err)

			require.NoError(t, f.Close())
			_, err = f.ReadAt(p, 0)
			require.ErrorIs(t, err, fs.ErrClosed)
			require.ErrorIs(t, f.Close(), fs.ErrClosed)
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		fs   DirectFS
		name string
		want error
	}{
		"missing":        {OS{}, filepath.Join(dir, "none"), fs.ErrNotExist},
		"directory":      {OS{}, dir, ErrDirectory},
		"device":         {OS{}, os.DevNull, ErrNotRegular},
		"missing in mem": {Mem{}, "none", fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := c.fs.Open(c.name)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.name)
			require.Nil(t, f)
			d, err := c.fs.OpenDirect(c.name)
			require.ErrorIs(t, err, c.want)
			require.Nil(t, d)
			var direct *DirectError
			require.NotErrorAs(t, err, &direct, "a missing file is not a matter of direct reads")
		})
	}
}

func TestDirect(t *testing.T) {
	data := randomBytes(3*DirectAlign + 77)
	for name, c := range both(t, data) {
		t.Run(name, func(t *testing.T) {
			f, err := OpenDirect(c.fs, c.name)
			if _, refused := errors.AsType[*DirectError](err); refused {
				t.Skipf("this file system has no direct reads: %v", err)
			}
			require.NoError(t, err)
			defer f.Close()
			a := f.Align()
			require.Positive(t, a)
			require.Zero(t, a&(a-1), "a power of two")

			buf := AlignedBuffer(4*DirectAlign, DirectAlign)
			n, err := f.ReadAt(buf[:2*DirectAlign], DirectAlign)
			require.NoError(t, err)
			require.Equal(t, data[DirectAlign:3*DirectAlign], buf[:n])

			n, err = f.ReadAt(buf, 0)
			require.Equal(t, io.EOF, err)
			require.Equal(t, data, buf[:n], "a read over the end gives the odd bytes")
			n, err = f.ReadAt(buf, 4*DirectAlign)
			require.Equal(t, io.EOF, err)
			require.Zero(t, n)

			var unaligned *AlignError
			_, err = f.ReadAt(buf[:a], 1)
			require.ErrorAs(t, err, &unaligned)
			_, err = f.ReadAt(buf[:a-1], 0)
			require.ErrorAs(t, err, &unaligned)
			_, err = f.ReadAt(buf[1:a+1], 0)
			require.ErrorAs(t, err, &unaligned)
			require.Equal(t, AlignError{Name: c.name, Off: 0, Len: a, Align: a}, *unaligned)
		})
	}
}

// TestDirectConcurrent reads one file from several goroutines: the descriptor
// may not be locked exclusively, and every read must see its own bytes.
func TestDirectConcurrent(t *testing.T) {
	data := randomBytes(64 * DirectAlign)
	for name, c := range both(t, data) {
		t.Run(name, func(t *testing.T) {
			f, err := OpenDirect(c.fs, c.name)
			if _, refused := errors.AsType[*DirectError](err); refused {
				t.Skipf("this file system has no direct reads: %v", err)
			}
			require.NoError(t, err)
			defer f.Close()
			errs := make(chan error)
			for w := range 4 {
				go func() {
					buf := AlignedBuffer(DirectAlign, DirectAlign)
					for i := range 64 {
						at := (i*7 + w*13) % 64 * DirectAlign
						if _, err := f.ReadAt(buf, int64(at)); err != nil {
							errs <- err
							return
						}
						if !bytes.Equal(buf, data[at:at+DirectAlign]) {
							errs <- errors.New("wrong bytes")
							return
						}
					}
					errs <- nil
				}()
			}
			for range 4 {
				require.NoError(t, <-errs)
			}
		})
	}
}

// plain is an FS without direct reads.
type plain struct{ FS }

func TestOpenDirectWithout(t *testing.T) {
	_, err := OpenDirect(plain{Mem{"a": nil}}, "a")
	var refused *DirectError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "a", refused.Name)
	require.ErrorIs(t, err, ErrNoDirect)
}

func TestAlignedBuffer(t *testing.T) {
	for _, align := range []int{1, 64, 512, 4096, 1 << 16} {
		for _, n := range []int{0, 1, 4096, 10_001} {
			b := AlignedBuffer(n, align)
			require.Len(t, b, n)
			require.Equal(t, n, cap(b))
			require.True(t, n == 0 || address(b)%uintptr(align) == 0)
		}
	}
}

// TestMemBytes holds that a Mem hands out the bytes themselves, not a copy.
func TestMemBytes(t *testing.T) {
	data := randomBytes(10)
	f, err := Mem{"a": data}.Open("a")
	require.NoError(t, err)
	r, ok := f.(Resident)
	require.True(t, ok)
	require.Same(t, &data[0], &r.Bytes()[0])
}
