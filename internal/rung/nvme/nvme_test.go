package nvme_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/nvme"
	"github.com/lite-llm/lite/internal/rung/rungtest"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/vfs/errorfs"
)

// modes are the two ways to read a file.
var modes = map[string]bool{"buffered": false, "direct": true}

func TestConformance(t *testing.T) {
	for name, direct := range modes {
		t.Run(name, func(t *testing.T) {
			rungtest.Run(t, func(t *testing.T, data []byte) (rung.Rung, base.Object) {
				path := filepath.Join(t.TempDir(), "a")
				require.NoError(t, os.WriteFile(path, data, 0o600))
				return open(t, vfs.OS{}, base.Object{Name: path, Size: int64(len(data))}, direct)
			})
		})
		t.Run(name+" in memory", func(t *testing.T) {
			rungtest.Run(t, func(t *testing.T, data []byte) (rung.Rung, base.Object) {
				return open(t, vfs.Mem{"a": data}, base.Object{Name: "a", Size: int64(len(data))}, direct)
			})
		})
	}
}

// open opens one object, twice named, as a model's tensors name their file.
func open(t *testing.T, fsys vfs.FS, obj base.Object, direct bool) (*nvme.Rung, base.Object) {
	r, err := nvme.Open(fsys, []base.Object{obj, obj}, direct)
	if _, refused := errors.AsType[*vfs.DirectError](err); refused {
		t.Skipf("this file system refuses direct reads: %v", err)
	}
	require.NoError(t, err)
	return r, obj
}

// counted counts the files that are open.
type counted struct {
	vfs.FS
	open int
}

type countedFile struct {
	vfs.File
	fs *counted
}

func (c *counted) Open(name string) (vfs.File, error) {
	f, err := c.FS.Open(name)
	if err != nil {
		return nil, err
	}
	c.open++
	return &countedFile{f, c}, nil
}

func (f *countedFile) Close() error {
	f.fs.open--
	return f.File.Close()
}

func TestOpenFailsWhole(t *testing.T) {
	for name, c := range map[string]struct {
		second base.Object
		want   error
	}{
		"missing": {base.Object{Name: "c", Size: 1}, os.ErrNotExist},
		"shorter": {base.Object{Name: "b", Size: 11}, rung.ErrChanged},
		"longer":  {base.Object{Name: "b", Size: 9}, rung.ErrChanged},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := &counted{FS: vfs.Mem{"a": make([]byte, 5), "b": make([]byte, 10)}}
			_, err := nvme.Open(fsys, []base.Object{{Name: "a", Size: 5}, c.second}, false)
			require.ErrorIs(t, err, c.want)
			require.Zero(t, fsys.open, "what was opened before is closed")

			r, err := nvme.Open(fsys, []base.Object{{Name: "a", Size: 5}, {Name: "b", Size: 10}}, false)
			require.NoError(t, err)
			require.Equal(t, 2, fsys.open)
			require.NoError(t, r.Close())
			require.NoError(t, r.Close(), "closing again does nothing")
			require.Zero(t, fsys.open)
		})
	}
}

func TestDirectIsRefused(t *testing.T) {
	onlyOpen := struct{ vfs.FS }{vfs.Mem{"a": make([]byte, 5)}}
	_, err := nvme.Open(onlyOpen, []base.Object{{Name: "a", Size: 5}}, true)
	var refused *vfs.DirectError
	require.ErrorAs(t, err, &refused)
}

// TestFaults holds that a disk's fault is a ReadError with its cause, and that
// the reads around it are whole.
func TestFaults(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 1024)
	obj := base.Object{Name: "a", Size: int64(len(data))}
	for name, c := range map[string]struct {
		rule errorfs.Rule
		want error
	}{
		"error":            {errorfs.Nth(1).Fail(syscall.EIO), syscall.EIO},
		"cut":              {errorfs.Nth(1).Short(100), rung.ErrChanged},
		"cut at a sector":  {errorfs.Nth(1).Short(vfs.DirectAlign), rung.ErrChanged},
		"nothing is left":  {errorfs.Nth(1).Short(0), rung.ErrChanged},
		"no error at all":  {errorfs.Nth(1).Fail(nil), nil},
		"error at the end": {errorfs.Nth(1).Fail(io.EOF), rung.ErrChanged},
	} {
		for mode, direct := range modes {
			t.Run(name+" "+mode, func(t *testing.T) {
				r, err := nvme.Open(errorfs.New(vfs.Mem{"a": data}, c.rule), []base.Object{obj}, direct)
				require.NoError(t, err)
				failed := uint64(0)
				for i := range 3 {
					p := vfs.AlignedBuffer(2*vfs.DirectAlign, vfs.DirectAlign)
					err := r.ReadAt(context.Background(), obj, p, vfs.DirectAlign)
					if i == 1 && c.want != nil {
						var re *rung.ReadError
						require.ErrorAs(t, err, &re)
						require.ErrorIs(t, err, c.want)
						require.Equal(t, rung.ReadError{Object: obj, Off: vfs.DirectAlign, Len: len(p), Err: re.Err}, *re)
						failed++
						continue
					}
					require.NoError(t, err)
					require.Equal(t, data[vfs.DirectAlign:3*vfs.DirectAlign], p)
				}
				require.Equal(t, rung.Counts{
					Reads: 3 - failed, Bytes: int64(3-failed) * 2 * vfs.DirectAlign, Failed: failed,
				}, r.Counts())
				require.NoError(t, r.Close())
			})
		}
	}
}

// sip returns a few bytes of each read and no error, as a file on a network may.
type sip struct {
	vfs.File
	n int
}

func (f sip) ReadAt(p []byte, off int64) (int, error) {
	return f.File.ReadAt(p[:min(len(p), f.n)], off)
}

type sipFS struct {
	vfs.FS
	n int
}

func (s sipFS) Open(name string) (vfs.File, error) {
	f, err := s.FS.Open(name)
	return sip{f, s.n}, err
}

func TestReadsGoOn(t *testing.T) {
	data := []byte("many small sips empty the glass")
	obj := base.Object{Name: "a", Size: int64(len(data))}
	for n, want := range map[int]error{7: nil, 1: nil, 0: io.ErrNoProgress} {
		r, err := nvme.Open(sipFS{vfs.Mem{"a": data}, n}, []base.Object{obj}, false)
		require.NoError(t, err)
		p := make([]byte, 24)
		err = r.ReadAt(context.Background(), obj, p, 5)
		require.ErrorIs(t, err, want)
		if want == nil {
			require.Equal(t, data[5:29], p)
		}
	}
}
