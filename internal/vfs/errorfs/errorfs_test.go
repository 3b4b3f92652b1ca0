package errorfs

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/vfs"
)

func data() []byte {
	b := make([]byte, 2*vfs.DirectAlign)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}

func open(t *testing.T, rules ...Rule) (*FS, vfs.File) {
	fsys := New(vfs.Mem{"a": data(), "b": data()}, rules...)
	f, err := fsys.Open("a")
	require.NoError(t, err)
	return fsys, f
}

// TestNoRules holds that the wrapper alone changes nothing.
func TestNoRules(t *testing.T) {
	_, f := open(t)
	require.NoError(t, iotest.TestReader(io.NewSectionReader(f, 0, f.Size()), data()))
	require.NoError(t, f.Close())
}

// TestFailures counts which of ten reads of 16 bytes fail under each rule.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		match Match
		want  []int64
	}{
		"all":    {All(), []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		"nth":    {Nth(3), []int64{3}},
		"every":  {Every(4), []int64{3, 7}},
		"from":   {From(8), []int64{8, 9}},
		"named":  {Named("b"), nil},
		"within": {Within("a", 31, 2), []int64{1, 2}},
		"touch":  {Within("a", 32, 16), []int64{2}},
		"other":  {Within("b", 31, 2), nil},
	} {
		t.Run(name, func(t *testing.T) {
			fsys, f := open(t, c.match.Fail(syscall.EIO))
			var failed []int64
			for i := range int64(10) {
				n, err := f.ReadAt(make([]byte, 16), i*16)
				if err != nil {
					require.ErrorIs(t, err, syscall.EIO)
					require.Zero(t, n)
					failed = append(failed, i)
				}
			}
			require.Equal(t, c.want, failed)
			require.EqualValues(t, 10, fsys.Reads())
			require.EqualValues(t, 16*(10-len(failed)), fsys.Bytes())
		})
	}
}

func TestShort(t *testing.T) {
	_, f := open(t, Nth(0).Short(5), Nth(0).Short(3))
	p := make([]byte, 16)
	n, err := f.ReadAt(p, 100)
	require.Equal(t, 3, n)
	require.Equal(t, io.EOF, err)
	require.Equal(t, data()[100:103], p[:n])
	n, err = f.ReadAt(p, 100)
	require.NoError(t, err)
	require.Equal(t, 16, n)
}

func TestFlip(t *testing.T) {
	_, f := open(t, Named("a").Flip(20, 0x81))
	want := data()
	want[20] ^= 0x81
	for off := range int64(24) {
		p := make([]byte, 8)
		_, err := f.ReadAt(p, off)
		require.NoError(t, err)
		require.Equal(t, want[off:off+8], p)
	}
}

// TestWait lets two reads complete in the opposite order of their beginning.
func TestWait(t *testing.T) {
	release := []chan struct{}{make(chan struct{}), make(chan struct{})}
	began := make(chan int64, 2)
	_, f := open(t, All().Wait(func(op Op) {
		began <- op.Off / 16
		<-release[op.Off/16]
	}))
	done := make(chan int64)
	for i := range int64(2) {
		go func() {
			_, _ = f.ReadAt(make([]byte, 16), i*16)
			done <- i
		}()
		require.Equal(t, i, <-began)
	}
	close(release[1])
	require.EqualValues(t, 1, <-done)
	close(release[0])
	require.EqualValues(t, 0, <-done)
}

func TestOpening(t *testing.T) {
	fsys := New(vfs.Mem{"a": nil, "b": nil}, Opening("a").Fail(fs.ErrPermission))
	_, err := fsys.Open("a")
	require.ErrorIs(t, err, fs.ErrPermission)
	_, err = fsys.OpenDirect("a")
	require.ErrorIs(t, err, fs.ErrPermission)
	_, err = fsys.Open("b")
	require.NoError(t, err)
	_, err = fsys.Open("c")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestDirect(t *testing.T) {
	fsys := New(vfs.Mem{"a": data()}, Nth(1).Fail(syscall.EIO))
	f, err := vfs.OpenDirect(fsys, "a")
	require.NoError(t, err)
	require.Equal(t, vfs.DirectAlign, f.Align())
	p := vfs.AlignedBuffer(vfs.DirectAlign, vfs.DirectAlign)
	_, err = f.ReadAt(p, 0)
	require.NoError(t, err)
	_, err = f.ReadAt(p, 0)
	require.ErrorIs(t, err, syscall.EIO)
	_, err = f.ReadAt(p, 1)
	var unaligned *vfs.AlignError
	require.ErrorAs(t, err, &unaligned)

	_, err = New(struct{ vfs.FS }{vfs.Mem{"a": nil}}).OpenDirect("a")
	var refused *vfs.DirectError
	require.ErrorAs(t, err, &refused)
}

// TestHidesResident holds that a reader cannot step around the faults by
// taking the bytes where they are.
func TestHidesResident(t *testing.T) {
	_, f := open(t, All().Fail(errors.New("no")))
	_, ok := f.(vfs.Resident)
	require.False(t, ok)
}
