package pack_test

import (
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/pack"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/gguf"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// bytesOf are those of a part of a tensor.
func bytesOf(t *testing.T, fs vfs.Mem, x weights.Tensor, i, n int) []byte {
	t.Helper()
	r, err := x.Slice(i, n)
	require.NoError(t, err)
	return fs[r.Object.Name][r.Off : r.Off+r.Len]
}

// TestAPackHasWhatItsModelHas compares every key, and every part of every tensor,
// of packs of nested and flat models in one shard and in many.
func TestAPackHasWhatItsModelHas(t *testing.T) {
	for _, family := range []string{"lite", "qwen3moe", "deepseek2", "llama"} {
		for _, size := range []int64{0, 1, 20_000} {
			f := modeltest.Random(t, synth.Tiny(family), "Q8_0", 1)
			j := jobOf(t, f)
			j.ShardBytes = size
			fs := write(t, j)
			p, err := pack.Open(fs, dir, pack.Options{Verify: true})
			require.NoError(t, err)
			require.NoError(t, p.CheckSizes())
			require.Equal(t, f.W.Len(), p.Model.Len())
			for k, v := range f.W.Meta.All() {
				require.True(t, p.Model.Meta.Has(k), k)
				for k2, v2 := range p.Model.Meta.All() {
					if k == k2 {
						require.Equal(t, v, v2, k)
					}
				}
			}
			for want := range f.W.All() {
				got, ok := p.Model.Tensor(want.Name)
				require.True(t, ok, want.Name)
				require.Equal(t, want.Type, got.Type)
				require.Equal(t, want.Dims, got.Dims)
				n := 1
				if got.Stack != nil {
					last := got.Stack.Runs[len(got.Stack.Runs)-1]
					n = int(last.First + last.Count)
				}
				for i := range n {
					require.Equal(t, bytesOf(t, f.FS(), want, i, n), bytesOf(t, fs, got, i, n), "%s %d", want.Name, i)
				}
			}
			checkWhole(t, p)
		}
	}
}

// checkWhole holds that a whole pack is found whole.
func checkWhole(t *testing.T, p *pack.Pack) {
	t.Helper()
	done := int64(0)
	require.NoError(t, p.CheckAll(context.Background(), func(err error) { t.Error(err) }, func(n, all int64) {
		require.GreaterOrEqual(t, n, done)
		require.LessOrEqual(t, n, all)
		done = n
	}))
	all := int64(0)
	for _, o := range p.Model.Objects {
		all += o.Size
	}
	require.Equal(t, all, done)
}

// TestShardsAreOrdinaryFiles opens every shard as any program would: alone, by its
// own head, with tensors in the order of the file.
func TestShardsAreOrdinaryFiles(t *testing.T) {
	for family, first := range map[string]string{"lite": "blk.0001.group_head.weight", "qwen3moe": "blk.0001.expert.0000000000.gate.weight"} {
		j := job(t, family)
		j.ShardBytes = 40_000
		fs := write(t, j)
		shards := 0
		for name := range fs {
			if !strings.HasSuffix(name, ".gguf") || strings.HasSuffix(name, "trunk.gguf") {
				continue
			}
			shards++
			m, err := gguf.Open(fs, name)
			require.NoError(t, err)
			align, err := m.Meta.Uint(gguf.KeyAlignment)
			require.NoError(t, err)
			require.EqualValues(t, pack.Align, align)
			tensors := slices.Collect(m.All())
			require.Zero(t, tensors[0].Range.Off%pack.Align)
			for i, x := range tensors[1:] {
				before := tensors[i].Range
				require.Equal(t, (before.Off+before.Len+pack.Align-1)/pack.Align*pack.Align, x.Range.Off, "ggml wants no gaps")
				require.LessOrEqual(t, len(x.Name), 63)
			}
			if strings.HasSuffix(name, "L001-000.gguf") {
				require.Equal(t, first, tensors[0].Name)
			}
		}
		require.Greater(t, shards, 4)
	}
}

// TestOneSizeOfHeads holds that the first tensor of every shard begins where the
// manifest says, and nowhere else.
func TestOneSizeOfHeads(t *testing.T) {
	shape := synth.Tiny("lite")
	shape.Tiers = []synth.Tier{{Name: "few", FF: 32, Groups: 1, Experts: 2}, {Name: "many", FF: 32, Groups: 9, Experts: 11}}
	f := modeltest.Random(t, shape, "Q8_0", 1)
	fs := write(t, jobOf(t, f))
	p, err := pack.Open(fs, dir, pack.Options{})
	require.NoError(t, err)
	require.Greater(t, p.Manifest.ShardHead, int64(pack.Align))
	for _, o := range p.Model.Objects[1:] {
		m, err := gguf.Open(fs, o.Name)
		require.NoError(t, err)
		for x := range m.All() {
			require.Equal(t, p.Manifest.ShardHead, x.Range.Off)
			break
		}
	}
}

// TestReproducible writes the same pack twice, and another when a weight, a key or
// the size of shards is another.
func TestReproducible(t *testing.T) {
	f := modeltest.Random(t, synth.Tiny("lite"), "Q8_0", 1)
	first := write(t, jobOf(t, f))
	require.Equal(t, first, write(t, jobOf(t, f)))
	small := jobOf(t, f)
	small.ShardBytes = 1
	require.NotEqual(t, first, write(t, small))
	f.Tensor(t, "blk.1.tier.2.ffn_up_exps.weight")[77] ^= 1
	require.NotEqual(t, first[path.Join(dir, pack.ManifestName)], write(t, jobOf(t, f))[path.Join(dir, pack.ManifestName)])
}

// TestChecksOfReads reads ranges of every object in every alignment, and holds that
// right ones pass, whatever they begin and end in, and that a byte which is not
// right is seen wherever it is not padding.
func TestChecksOfReads(t *testing.T) {
	j := job(t, "lite")
	j.ShardBytes = 40_000
	fs := write(t, j)
	p, err := pack.Open(fs, dir, pack.Options{})
	require.NoError(t, err)
	for _, o := range p.Model.Objects {
		file := fs[o.Name]
		read := func(b []byte, off int64) error {
			require.LessOrEqual(t, off+int64(len(b)), o.Size)
			copy(b, file[off:])
			return nil
		}
		check := func(off, n int64) ([]byte, error) {
			b := make([]byte, n)
			copy(b, file[off:])
			return b, p.Check(o, b, off, read)
		}
		padding := 0
		for at := int64(5); at < o.Size; at += 1237 {
			for _, r := range [][2]int64{{at, 1}, {at &^ 4095, 4096}, {0, o.Size}, {at &^ 511, 1 << 20}} {
				_, err := check(r[0], r[1])
				require.NoError(t, err, "%s %v", o.Name, r)
			}
			file[at] ^= 0x80
			_, err := check(at&^4095, 4096)
			_, whole := check(0, o.Size)
			file[at] ^= 0x80
			require.Equal(t, err == nil, whole == nil)
			if err == nil {
				padding++
				continue
			}
			var bad *pack.IntegrityError
			require.ErrorAs(t, err, &bad)
			require.Equal(t, o.Name, bad.Object)
		}
		require.Less(t, padding, int(o.Size/1237/3))
	}
	err = p.Check(base.Object{Name: "d/other", Size: 9}, make([]byte, 9), 0, nil)
	require.True(t, isA[*pack.IntegrityError](err))
}

// TestARightSecondReadIsUsed holds that a part of an expert is filled from the
// bytes that were checked, and not from those of the first read.
func TestARightSecondReadIsUsed(t *testing.T) {
	fs := write(t, job(t, "qwen3moe"))
	p, err := pack.Open(fs, dir, pack.Options{})
	require.NoError(t, err)
	o := p.Model.Objects[1]
	file := fs[o.Name]
	off := p.Manifest.ShardHead + 100
	for _, r := range [][2]int64{{off, 50}, {off - 200, 250}, {p.Manifest.ShardHead - 1, 2}} {
		wrong := make([]byte, r[1])
		require.NoError(t, p.Check(o, wrong, r[0], func(b []byte, off int64) error { copy(b, file[off:]); return nil }))
		require.Equal(t, file[r[0]:r[0]+r[1]], wrong)
	}
	failed := errors.New("the disk is gone")
	err = p.Check(o, make([]byte, 10), off, func([]byte, int64) error { return failed })
	require.ErrorIs(t, err, failed)
}

// counted counts the bytes that are read of a file system.
type counted struct {
	vfs.FS
	bytes int64
}

type countedFile struct {
	vfs.File
	fs *counted
}

func (c *counted) Open(name string) (vfs.File, error) {
	f, err := c.FS.Open(name)
	return countedFile{f, c}, err
}

func (f countedFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.bytes += int64(len(p))
	return f.File.ReadAt(p, off)
}

// TestVerifiedFiles reads a pack in small pieces: the right bytes, each of them from
// below at most three times; and not one that was changed.
func TestVerifiedFiles(t *testing.T) {
	j := job(t, "qwen3moe")
	fs := write(t, j)
	below := &counted{FS: fs}
	p, err := pack.Open(below, dir, pack.Options{})
	require.NoError(t, err)
	for _, o := range p.Model.Objects {
		f, err := p.Verified().Open(o.Name)
		require.NoError(t, err)
		below.bytes = 0
		b := make([]byte, 100)
		for off := int64(0); off < o.Size; off += 100 {
			n, err := f.ReadAt(b, off)
			if off+100 > o.Size {
				require.Equal(t, io.EOF, err)
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, fs[o.Name][off:min(off+100, o.Size)], b[:n])
		}
		require.Less(t, below.bytes, 3*o.Size)
		require.NoError(t, f.Close())
	}
	o := p.Model.Objects[1]
	at := p.Manifest.ShardHead + 77
	fs[o.Name][at] ^= 1
	f, err := p.Verified().Open(o.Name)
	require.NoError(t, err)
	for range 2 { // what is not right is not remembered
		_, err = f.ReadAt(make([]byte, 10), at+500)
		require.True(t, isA[*pack.IntegrityError](err))
	}
}

// TestOpenReadsNoWeights counts what is read to open a pack: the manifest, and the
// description of the trunk.
func TestOpenReadsNoWeights(t *testing.T) {
	fs := write(t, job(t, "lite"))
	for name := range fs {
		if strings.Contains(name, "/tiers/") {
			delete(fs, name)
		}
	}
	p, err := pack.Open(fs, dir, pack.Options{Verify: true})
	require.NoError(t, err)
	require.ErrorContains(t, p.CheckSizes(), "tiers/xs/L000-000.gguf")
	require.True(t, pack.Is(fs, dir))
	require.False(t, pack.Is(fs, "elsewhere"))
}
