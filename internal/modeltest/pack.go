package modeltest

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/pack"
	"github.com/lite-llm/lite/internal/packing"
	"github.com/lite-llm/lite/internal/vfs"
)

// Pack packs the file in memory, in shards of at most so many bytes.
func (f *File) Pack(t testing.TB, shard int64) (vfs.Mem, *pack.Pack) {
	t.Helper()
	naming, names := packing.Of(f.Build(t), nil)
	s := sink{}
	_, err := pack.Write(context.Background(), s, &pack.Job{FS: f.FS(), Model: f.W, Naming: *naming, Tensors: names, ShardBytes: shard})
	require.NoError(t, err)
	p, err := pack.Open(vfs.Mem(s), "", pack.Options{Verify: true})
	require.NoError(t, err)
	return vfs.Mem(s), p
}

// sink is a pack in memory.
type sink vfs.Mem

func (sink) Begin(context.Context, pack.Hash, int64) error { return nil }
func (sink) Done(string) ([]byte, bool)                    { return nil, false }
func (sink) Finish(context.Context) error                  { return nil }
func (sink) Close() error                                  { return nil }

func (s sink) Create(_ context.Context, name string, _ int64) (pack.SinkFile, error) {
	return &object{s: s, name: name}, nil
}

// object is one file of it.
type object struct {
	bytes.Buffer
	s    sink
	name string
}

func (o *object) Commit([]byte) error {
	o.s[o.name] = o.Bytes()
	return nil
}

func (*object) Abort() {}
