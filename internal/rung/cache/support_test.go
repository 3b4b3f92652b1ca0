package cache

import (
	"context"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/dram"
)

// below is a rung of bytes in memory that counts what is read of it.
type below struct {
	rung.Rung
	mu struct {
		sync.Mutex
		reads int
		bytes int
		fail  error
	}
}

func newBelow(objects map[string][]byte) *below {
	return &below{Rung: plain{dram.New(objects)}}
}

// plain hides the views of a dram rung.
type plain struct{ rung.Rung }

func (b *below) ReadAt(ctx context.Context, obj base.Object, p []byte, off int64) error {
	b.mu.Lock()
	b.mu.reads++
	b.mu.bytes += len(p)
	err := b.mu.fail
	b.mu.Unlock()
	if err != nil {
		return err
	}
	return b.Rung.ReadAt(ctx, obj, p, off)
}

func (b *below) count() (reads, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.reads, b.mu.bytes
}

// named is an identity for objects that never change.
func named(_ context.Context, name string) (string, error) { return name, nil }

// calendar is a clock that moves by an hour whenever it is looked at.
type calendar struct {
	mu  sync.Mutex
	now time.Time
}

func newCalendar() *calendar {
	return &calendar{now: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)} // after what the system says of new files
}

func (c *calendar) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Hour)
	return c.now
}

func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	s := [32]byte{byte(seed), byte(seed >> 8)}
	_, _ = rand.NewChaCha8(s).Read(b)
	return b
}

func openDir(t testing.TB, dir string, budget int64, b rung.Rung) *Rung {
	t.Helper()
	r, err := Open(Options{Dir: dir, Budget: base.ByteSize(budget), Below: b, Identity: named, Clock: newCalendar().Now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// onDisk is what all files below dir take but usage.
func onDisk(t testing.TB, dir string) (bytes int64, files []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(filepath.Join(dir, inside), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == usageName {
			return err
		}
		info, err := e.Info()
		if os.IsNotExist(err) {
			return nil
		}
		bytes += taken(info.Size())
		files = append(files, path)
		return err
	}))
	return bytes, files
}
