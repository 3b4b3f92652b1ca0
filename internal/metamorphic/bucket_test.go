package metamorphic

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/bucket"
	"github.com/lite-llm/lite/internal/bucket/steady"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/cache"
	"github.com/lite-llm/lite/internal/rung/object"
	"github.com/lite-llm/lite/internal/rung/verified"
	"github.com/lite-llm/lite/internal/vfs"
)

// store is a bucket of objects in memory, whose every 13th answer breaks off.
type store struct {
	objects vfs.Mem
	asked   atomic.Int64
}

func (*store) Name() string { return "memory" }

func (s *store) Stat(_ context.Context, key string) (bucket.Object, error) {
	b, ok := s.objects[key]
	if !ok {
		return bucket.Object{}, &bucket.Error{Op: "look at", Key: key, Err: fs.ErrNotExist}
	}
	return bucket.Object{Key: key, Size: int64(len(b)), Version: "1"}, nil
}

func (s *store) Get(_ context.Context, obj bucket.Object, off, n int64) (io.ReadCloser, error) {
	b := s.objects[obj.Key][off : off+n]
	if s.asked.Add(1)%13 == 0 {
		b = b[:len(b)/2]
	}
	fail := func(code string, _ error) error {
		return &bucket.Error{Op: "read", Key: obj.Key, Code: code, Err: bucket.ErrFault}
	}
	return bucket.Exactly(io.NopCloser(bytes.NewReader(b)), n, fail, nil), nil
}

// hasty is a clock on which no time passes but pauses.
type hasty struct{}

func (hasty) Now() time.Duration { return 0 }

func (hasty) After(d time.Duration) (<-chan struct{}, func()) {
	ch := make(chan struct{})
	if d < time.Second {
		close(ch)
	}
	return ch, func() {}
}

// directories are the cache directories of files whose experts came from a bucket
// before, as long as their tests run.
var directories = map[*modeltest.File]string{}

func directoryOf(t testing.TB, f *modeltest.File) string {
	t.Helper()
	dir, ok := directories[f]
	if !ok {
		var err error
		dir, err = os.MkdirTemp("", "lite-cells") //nolint:usetesting // for all walks of the file
		require.NoError(t, err)
		directories[f] = dir
		t.Cleanup(func() {
			delete(directories, f)
			require.NoError(t, os.RemoveAll(dir))
		})
	}
	return dir
}

// openBucket opens the rung of a pack in a bucket: without a cache directory
// ("object"), with one that holds what walks before have left ("kept"), or with one
// in which a bit of every other file is another ("damaged").
func openBucket(t testing.TB, f *modeltest.File, k packed, kind string) rung.Rung {
	t.Helper()
	far := object.New(steady.New(&store{objects: k.fs}, steady.Options{Clock: hasty{}, Rand: func() float64 { return 0 }, Late: -1}))
	checked := verified.New(far, k.p)
	if kind == "object" {
		return checked
	}
	dir := directoryOf(t, f)
	if kind == "damaged" {
		damage(t, dir)
	}
	size := int64(0)
	for _, o := range k.p.Model.Objects {
		size += o.Size
	}
	r, err := cache.Open(cache.Options{
		Dir: dir, Budget: base.ByteSize(size/2 + 8192), Below: checked, Identity: far.Identity, Cell: 8192,
		Clock: func() time.Time { return time.Unix(1<<32, 0) },
	})
	require.NoError(t, err)
	return r
}

// damage inverts a bit of every other file below dir.
func damage(t testing.TB, dir string) {
	t.Helper()
	n := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if n++; n%2 == 0 {
			return nil
		}
		b, err := os.ReadFile(path)
		if err == nil && len(b) > 0 {
			b[len(b)/3] ^= 16
			err = os.WriteFile(path, b, 0o600)
		}
		return err
	}))
}
