package pack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/pack"
	"github.com/lite-llm/lite/internal/packing"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// dir is where the packs of the tests are in memory.
const dir = "d"

// memory is a sink in memory, which keeps what an interrupted writer committed.
type memory struct {
	objects  vfs.Mem
	notes    map[string][]byte
	identity pack.Hash
	created  int
	// fail is called before every operation with its number.
	fail     func(op int) error
	ops      int
	finished bool
}

func newMemory() *memory { return &memory{objects: vfs.Mem{}, notes: map[string][]byte{}} }

func (m *memory) op() error {
	m.ops++
	if m.fail == nil {
		return nil
	}
	return m.fail(m.ops - 1)
}

func (m *memory) Begin(_ context.Context, id pack.Hash, _ int64) error {
	if id != m.identity {
		m.objects, m.notes, m.identity = vfs.Mem{}, map[string][]byte{}, id
	}
	return m.op()
}

func (m *memory) Done(name string) ([]byte, bool) {
	note, ok := m.notes[name]
	return note, ok
}

func (m *memory) Create(_ context.Context, name string, size int64) (pack.SinkFile, error) {
	m.created++
	return &memoryFile{m: m, name: name, size: size}, m.op()
}

func (m *memory) Finish(context.Context) error {
	err := m.op()
	m.finished = err == nil
	return err
}

func (*memory) Close() error { return nil }

type memoryFile struct {
	m    *memory
	name string
	size int64
	b    bytes.Buffer
}

func (f *memoryFile) Write(p []byte) (int, error) {
	if err := f.m.op(); err != nil {
		return 0, err
	}
	return f.b.Write(p)
}

func (f *memoryFile) Commit(note []byte) error {
	if err := f.m.op(); err != nil {
		return err
	}
	if int64(f.b.Len()) != f.size {
		return fmt.Errorf("%s has %d bytes and was to have %d", f.name, f.b.Len(), f.size)
	}
	f.m.objects[path.Join(dir, f.name)] = f.b.Bytes()
	f.m.notes[f.name] = note
	return nil
}

func (*memoryFile) Abort() {}

// jobOf is the packing of a model file.
func jobOf(t testing.TB, f *modeltest.File) *pack.Job {
	t.Helper()
	naming, names := packing.Of(f.Build(t), nil)
	return &pack.Job{FS: f.FS(), Model: f.W, Naming: *naming, Tensors: names}
}

// job packs a small model of that family.
func job(t testing.TB, family string) *pack.Job {
	t.Helper()
	return jobOf(t, modeltest.Random(t, synth.Tiny(family), "Q8_0", 1))
}

// write writes a job into memory.
func write(t testing.TB, j *pack.Job) vfs.Mem {
	t.Helper()
	m := newMemory()
	_, err := pack.Write(context.Background(), m, j)
	require.NoError(t, err)
	require.True(t, m.finished)
	return m.objects
}

// typed says whether an error is one that a caller can tell from others.
func typed(err error) bool {
	for _, is := range []func(error) bool{isA[*pack.ManifestError], isA[*pack.IntegrityError], isA[*pack.SignatureError]} {
		if is(err) {
			return true
		}
	}
	return false
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// clone copies the files of a pack.
func clone(m vfs.Mem) vfs.Mem {
	c := vfs.Mem{}
	for name, b := range m {
		c[name] = bytes.Clone(b)
	}
	return c
}
