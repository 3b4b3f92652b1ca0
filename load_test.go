package lite

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/nvme"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/vfs/errorfs"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// wide is a model with a tensor that several reads share, and offsets that are
// no multiples of a sector.
func wide(t *testing.T) *modeltest.File {
	t.Helper()
	s := synth.Tiny("llama")
	s.Vocab, s.Dim = 40000, 96
	return modeltest.Random(t, s, "F32", 3)
}

// testPiece is such that tensors of wide are read in several pieces.
const testPiece = 1 << 20

// reading reads all of the trunk in one way.
func reading(ctx context.Context, r rung.Rung) func([]readJob) error {
	return func(jobs []readJob) error {
		jobs, rest := cut(jobs, math.MaxInt64, testPiece)
		if len(rest) > 0 {
			return errors.New("a part was left")
		}
		return readAll(ctx, r, jobs, defaultDepth)
	}
}

// TestTrunkIsTheFile holds every tensor to the file's bytes, read in both ways.
func TestTrunkIsTheFile(t *testing.T) {
	file := wide(t)
	needs, err := model.Build(file.W.Source(), nil)
	require.NoError(t, err)
	large, odd := 0, 0
	for _, direct := range []bool{false, true} {
		before := memory.InUse()
		disk := errorfs.New(file.FS())
		r, err := nvme.Open(disk, file.W.Objects, direct) // which refuses what is not aligned
		require.NoError(t, err)
		trunk, err := loadTrunk(file.W, needs.Trunk, r, r.Align(), reading(t.Context(), r))
		require.NoError(t, err)
		for _, tensor := range needs.Trunk {
			info, _ := file.W.Tensor(tensor.Name)
			require.Equal(t, file.Tensor(t, tensor.Name), trunk.data[tensor.Name], tensor.Name)
			require.Len(t, trunk.data[tensor.Name], cap(trunk.data[tensor.Name]))
			if info.Range.Len > testPiece {
				large++
			}
			if info.Range.Off%vfs.DirectAlign != 0 {
				odd++
			}
		}
		require.Equal(t, trunkBytes(needs.Trunk, r.Align()), memory.InUse()-before, "what the plan has for it")
		require.NoError(t, trunk.close())
		require.NoError(t, r.Close())
		require.Equal(t, before, memory.InUse())
	}
	require.Positive(t, large)
	require.Positive(t, odd)
}

// TestTrunkReadsAtOnce counts the reads of the trunk that are in flight: none
// goes on before as many have begun as there are readers.
func TestTrunkReadsAtOnce(t *testing.T) {
	file := wide(t)
	needs, err := model.Build(file.W.Source(), nil)
	require.NoError(t, err)
	var began atomic.Int32
	all := make(chan struct{})
	r, err := nvme.Open(errorfs.New(file.FS(), errorfs.All().Wait(func(errorfs.Op) {
		if began.Add(1) == defaultDepth {
			close(all)
		}
		<-all
	})), file.W.Objects, true)
	require.NoError(t, err)
	trunk, err := loadTrunk(file.W, needs.Trunk, r, r.Align(), reading(t.Context(), r))
	require.NoError(t, err)
	require.NoError(t, trunk.close())
}

// TestTrunkThatCannotBeRead gives everything back.
func TestTrunkThatCannotBeRead(t *testing.T) {
	file := wide(t)
	needs, err := model.Build(file.W.Source(), nil)
	require.NoError(t, err)
	before := memory.InUse()
	r, err := nvme.Open(errorfs.New(file.FS(), errorfs.Nth(3).Fail(syscall.EIO)), file.W.Objects, true)
	require.NoError(t, err)
	_, err = loadTrunk(file.W, needs.Trunk, r, r.Align(), reading(t.Context(), r))
	require.ErrorIs(t, err, syscall.EIO)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = loadTrunk(file.W, needs.Trunk, r, r.Align(), reading(ctx, r))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, before, memory.InUse())
}

// indirect is a file system that has no direct reads.
type indirect struct{ vfs.FS }

// TestDirectReadsAreRefused falls back to the page cache, unless direct reads
// were asked for.
func TestDirectReadsAreRefused(t *testing.T) {
	o := Options{Memory: 1 << 30, fs: indirect{sparse()}}
	o.Direct = DirectAlways
	_, err := Open(modeltest.Path, o)
	var refused *DirectError
	require.ErrorAs(t, err, &refused)

	o.Direct = DirectAuto
	opt, err := o.settle()
	require.NoError(t, err)
	file := modeltest.Open(t, sparse()[modeltest.Path])
	m := &Model{path: modeltest.Path, opt: opt, w: file.W, plan: &Plan{Direct: true}}
	m.rung, err = m.openRung()
	require.NoError(t, err)
	require.False(t, m.plan.Direct, "the plan says what is done")
	require.Equal(t, 1, m.rung.Align())
	require.NoError(t, m.Close())
}

// TestDirectIsChosen reads past the page cache what does not fit beside the
// rest of the machine's memory, and through it what does.
func TestDirectIsChosen(t *testing.T) {
	for direct, want := range map[Direct]bool{DirectAuto: false, DirectNever: false, DirectAlways: true} {
		m, err := Open(modeltest.Path, Options{Memory: 1 << 30, Direct: direct, fs: sparse()})
		require.NoError(t, err)
		require.Equal(t, want, m.Plan().Direct)
		require.NoError(t, m.Close())
	}
	opt, err := Options{Memory: 1 << 30, fs: sparse()}.settle()
	require.NoError(t, err)
	m := &Model{path: modeltest.Path, opt: opt, w: modeltest.Open(t, sparse()[modeltest.Path]).W}
	require.NoError(t, m.capHeap())
	defer m.uncap()
	m.w.Objects[0].Size = 1 << 50
	needs, err := model.Build(m.w.Source(), nil)
	require.NoError(t, err)
	require.NoError(t, m.divide(needs))
	require.True(t, m.plan.Direct)
	m.uncap()
}
