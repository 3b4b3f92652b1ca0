package object_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/bucket"
	"github.com/lite-llm/lite/internal/bucket/steady"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/object"
	"github.com/lite-llm/lite/internal/rung/rungtest"
)

// half is no chance at all.
func half() float64 { return 0.5 }

func open(t *testing.T, dir string) *object.Rung {
	t.Helper()
	b, err := bucket.OpenDir(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return object.New(steady.New(b, steady.Options{Clock: steady.NewSystem(), Rand: half}))
}

func TestConformance(t *testing.T) {
	rungtest.Run(t, func(t *testing.T, data []byte) (rung.Rung, base.Object) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), data, 0o600))
		return open(t, dir), base.Object{Name: "a", Size: int64(len(data))}
	})
}

func TestChanged(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	require.NoError(t, os.WriteFile(path, []byte("one version"), 0o600))
	r := open(t, dir)
	obj, err := r.Stat(context.Background(), "a")
	require.NoError(t, err)
	require.Equal(t, base.Object{Name: "a", Size: 11}, obj)
	p := make([]byte, 3)
	require.NoError(t, r.ReadAt(context.Background(), obj, p, 4))
	require.Equal(t, "ver", string(p))
	require.NoError(t, os.WriteFile(path+"2", []byte("one vers10n"), 0o600))
	require.NoError(t, os.Rename(path+"2", path))
	err = r.ReadAt(context.Background(), obj, p, 4)
	require.ErrorIs(t, err, rung.ErrChanged)
	require.ErrorIs(t, err, bucket.ErrChanged)
	var re *rung.ReadError
	require.ErrorAs(t, err, &re)
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte("0123456789"), 0o600))
	r := open(t, dir)
	fsys := object.Files{Stat: r.Stat, Rung: r}
	_, err := fsys.Open("b")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = fsys.Open("../a")
	require.ErrorIs(t, err, bucket.ErrKey)
	f, err := fsys.Open("a")
	require.NoError(t, err)
	require.Equal(t, int64(10), f.Size())
	p := make([]byte, 4)
	n, err := f.ReadAt(p, 8)
	require.Equal(t, 2, n)
	require.Error(t, err)
	n, err = f.ReadAt(p, 3)
	require.NoError(t, err)
	require.Equal(t, "3456", string(p[:n]))
	require.NoError(t, f.Close())
	_, err = f.ReadAt(p, 0)
	require.ErrorIs(t, err, os.ErrClosed)
}
