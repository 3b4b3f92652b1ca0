package lite

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/bucket/s3/s3test"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/placement"
	"github.com/lite-llm/lite/internal/tierplan"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights/gguf"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// packOf packs a model and returns the pack's directory.
func packOf(t *testing.T, path string, o PackOptions) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "model.pack")
	_, err := Pack(context.Background(), path, out, o)
	require.NoError(t, err)
	return out
}

// answerOf is what the model at path answers.
func answerOf(t *testing.T, path string, o Options) result {
	t.Helper()
	m, err := Open(path, o)
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	got, g := ask(m.NewSession(), question())
	require.NoError(t, g.Err())
	return got
}

// leastOf are options under which a model reads its experts again and again, past
// the page cache.
func leastOf(t *testing.T, path string, o Options) Options {
	t.Helper()
	o.Memory, o.Context, o.Chunk, o.Threads, o.Direct = 1, 512, 16, 1, DirectAlways
	_, err := Open(path, o)
	var short *MemoryError
	require.ErrorAs(t, err, &short)
	o.Memory = short.Need
	return o
}

// splitModel writes a model in several files and returns the first.
func splitModel(t *testing.T, family string) string {
	t.Helper()
	mix, err := synth.ParseMix("Q8_0")
	require.NoError(t, err)
	d, err := synth.New(synth.Tiny(family), synth.Options{Mix: mix, Seed: 3})
	require.NoError(t, err)
	parts, err := gguf.Divide(d.Infos(), 100_000)
	require.NoError(t, err)
	require.Greater(t, len(parts), 2)
	prefix := filepath.Join(t.TempDir(), "split")
	create := func(path string) (io.WriteCloser, error) { return os.Create(path) }
	require.NoError(t, gguf.WriteSplit(create, prefix, d.Keys(), parts, d.Data(nil)))
	return gguf.PartPath(prefix, 1, len(parts))
}

// sparseModel cuts a dense model into experts under tiers.
func sparseModel(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "sparse.gguf")
	_, err := Sparsify(context.Background(), dense(t, "llama"), out, SparsifyOptions{Text: learned, Tokens: 256, Experts: 8})
	require.NoError(t, err)
	return out
}

// writeModel writes a random model.
func writeModel(t *testing.T, shape synth.Shape, mix string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	require.NoError(t, os.WriteFile(path, modeltest.Bytes(t, shape, mix, 1), 0o600))
	return path
}

// TestAPackAnswersAsItsModel holds packs of every kind of model to one hash of
// logits, in all memory and in the least, checked and unchecked, in one shard and
// in many; and a pack of the pack to the same bytes.
func TestAPackAnswersAsItsModel(t *testing.T) {
	mixed := synth.Tiny("olmoe") // with layers whose down projections have another type
	mixed.Layers, mixed.Dim, mixed.ExpertFF, mixed.FF = 8, 256, 256, 256
	for name, path := range map[string]string{
		"tiny":     "tiny",
		"native":   writeModel(t, synth.Tiny("lite"), "Q8_0"),
		"flat":     writeModel(t, synth.Tiny("qwen3moe"), "Q8_0"),
		"deepseek": writeModel(t, synth.Tiny("deepseek2"), "Q8_0"),
		"mixed":    writeModel(t, mixed, "Q4_K_M"),
		"dense":    writeModel(t, synth.Tiny("llama"), "Q8_0"),
		"sparse":   sparseModel(t),
		"split":    splitModel(t, "qwen2moe"),
	} {
		t.Run(name, func(t *testing.T) {
			want := answerOf(t, path, Options{})
			whole := packOf(t, path, PackOptions{})
			many := packOf(t, path, PackOptions{ShardBytes: 1})
			require.Equal(t, want, answerOf(t, whole, Options{Verify: true}))
			require.Equal(t, want, answerOf(t, whole, leastOf(t, whole, Options{})))
			require.Equal(t, want, answerOf(t, many, leastOf(t, many, Options{Verify: true})))
			requireSameFiles(t, whole, packOf(t, path, PackOptions{}))
			requireSameFiles(t, whole, packOf(t, many, PackOptions{}))
			v, err := VerifyPack(context.Background(), many, VerifyOptions{})
			require.NoError(t, err)
			require.Empty(t, v.Damaged)
		})
	}
}

// files are the files below a directory.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		require.NoError(t, err)
		all[name], err = os.ReadFile(path)
		return err
	}))
	return all
}

func requireSameFiles(t *testing.T, a, b string) {
	t.Helper()
	x, y := files(t, a), files(t, b)
	require.Len(t, y, len(x))
	for name := range x {
		require.True(t, bytes.Equal(x[name], y[name]), name)
	}
}

// TestADamagedExpertIsNeverUsed changes a byte of every expert, one after the
// other. A checked model does not open, or ends with an IntegrityError that names
// an expert; and what it said before is right.
func TestADamagedExpertIsNeverUsed(t *testing.T) {
	dir := packOf(t, writeModel(t, synth.Tiny("qwen3moe"), "Q8_0"), PackOptions{})
	want := answerOf(t, dir, Options{})
	mem := vfs.Mem{}
	for name, b := range files(t, dir) {
		mem[filepath.ToSlash(filepath.Join("p", name))] = b
	}
	m, err := Open("p", Options{Verify: true, fs: mem})
	require.NoError(t, err)
	layout := m.m.Layout(m.w.Stack)
	require.NoError(t, m.Close())
	named := 0
	for layer := range layout {
		for k := range layout[layer].Pools {
			p := &layout[layer].Pools[k]
			for i := range p.Count {
				at := p.Parts[i%3].Off + i*p.Stride + i
				file := mem[p.Parts[0].Object.Name]
				file[at] ^= 0x10
				got, err := tryToAnswer("p", Options{Verify: true, Direct: DirectNever, fs: mem})
				file[at] ^= 0x10
				if err == nil {
					require.Equal(t, want, got, "it did not need the expert")
					continue
				}
				var bad *IntegrityError
				require.ErrorAs(t, err, &bad)
				require.Equal(t, p.Parts[0].Object.Name, bad.Object)
				require.Contains(t, bad.Part, "expert ")
				require.Equal(t, want.ids[:len(got.ids)], append([]int32{}, got.ids...))
				named++
			}
		}
	}
	require.Greater(t, named, 5)
}

func tryToAnswer(path string, o Options) (result, error) {
	m, err := Open(path, o)
	if err != nil {
		return result{}, err
	}
	got, g := ask(m.NewSession(), question())
	return got, errors.Join(g.Err(), m.Close())
}

// TestOnlyPacksAreVerified holds that nobody believes a model checked that has
// nothing to be checked against.
func TestOnlyPacksAreVerified(t *testing.T) {
	for _, path := range []string{"tiny", writeModel(t, synth.Tiny("llama"), "Q8_0")} {
		_, err := Open(path, Options{Verify: true})
		var bad *OptionError
		require.ErrorAs(t, err, &bad)
		require.ErrorContains(t, err, "is not a pack")
	}
}

// TestSignatures trusts the key that signed and no other.
func TestSignatures(t *testing.T) {
	private, public, err := GenerateKey()
	require.NoError(t, err)
	_, other, err := GenerateKey()
	require.NoError(t, err)
	key, err := ParsePrivateKey(private)
	require.NoError(t, err)
	right, err := ParsePublicKey(public)
	require.NoError(t, err)
	wrong, err := ParsePublicKey(other)
	require.NoError(t, err)
	plain, signed := packOf(t, "tiny", PackOptions{}), packOf(t, "tiny", PackOptions{Key: key})

	m, err := Open(signed, Options{Key: right})
	require.NoError(t, err)
	require.Equal(t, KeyID(right), m.Info().Pack.SignedBy)
	require.NoError(t, m.Close())
	v, err := VerifyPack(context.Background(), signed, VerifyOptions{Key: right})
	require.NoError(t, err)
	require.True(t, v.Trusted)

	var bad *SignatureError
	_, err = Open(signed, Options{Key: wrong})
	require.ErrorAs(t, err, &bad)
	require.ErrorContains(t, err, KeyID(wrong))
	_, err = Open(plain, Options{Key: right})
	require.ErrorAs(t, err, &bad)
	require.ErrorContains(t, err, "no signature")

	manifest := filepath.Join(signed, "manifest.json")
	b, err := os.ReadFile(manifest)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(manifest, []byte(strings.Replace(string(b), `"name":"tiny"`, `"name":"tinx"`, 1)), 0o600))
	_, err = Open(signed, Options{Key: right})
	require.ErrorAs(t, err, &bad)
	require.ErrorContains(t, err, "does not fit its manifest")
}

// oddPlan divides the experts of a flat model into tiers that have different
// numbers of them at different layers, none of them in one piece.
func oddPlan(t *testing.T, path string) *TierPlan {
	t.Helper()
	w, err := gguf.Open(vfs.OS{}, path)
	require.NoError(t, err)
	m, err := model.Build(w.Source(), nil)
	require.NoError(t, err)
	shape, err := m.PlanShape()
	require.NoError(t, err)
	p := &TierPlan{Version: tierplan.Version, Model: shape.Model(), Default: "all", Sets: tierplan.Sets{
		{Name: "all", Tiers: []string{"a", "b", "c"}, KExpert: 2}, {Name: "one", Tiers: []string{"b"}, KExpert: 2},
	}}
	for i, name := range []string{"a", "b", "c"} {
		tier := tierplan.Tier{Name: name, Experts: make(tierplan.Layers, len(shape.Experts)), Placement: jsontext.Value(`{"pin":true}`)}
		for layer, n := range shape.Experts {
			for e := range int32(n) {
				if of := (int(e)*5 + layer) % 7 % 3; of == i && n > 0 {
					tier.Experts[layer] = append(tier.Experts[layer], e)
				}
			}
		}
		p.Tiers = append(p.Tiers, tier)
	}
	return p
}

// TestAPackByAPlan holds that a flat model that is packed by a plan has the
// plan's tiers without being told, answers as with the plan, and with all tiers as
// without one; and that a plan that breaks its budget is refused.
func TestAPackByAPlan(t *testing.T) {
	for _, family := range []string{"qwen3moe", "deepseek2"} {
		path := writeModel(t, synth.Tiny(family), "Q8_0")
		plan := oddPlan(t, path)
		dir := packOf(t, path, PackOptions{Tiers: plan, ShardBytes: 30_000})
		require.Equal(t, answerOf(t, path, Options{}), answerOf(t, dir, Options{}))

		m, err := Open(dir, leastOf(t, dir, Options{Verify: true}))
		require.NoError(t, err)
		require.Equal(t, []string{"all", "one"}, m.TierSets())
		require.JSONEq(t, `{"pin":true}`, string(m.pack.Manifest.Tiers[2].Placement))
		flat, err := Open(path, Options{Tiers: plan})
		require.NoError(t, err)
		for _, set := range m.TierSets() {
			r := question()
			r.TierSet = set
			want, g := ask(flat.NewSession(), r)
			require.NoError(t, g.Err())
			got, g := ask(m.NewSession(), r)
			require.NoError(t, g.Err())
			require.Equal(t, want, got, set)
		}
		require.NoError(t, errors.Join(m.Close(), flat.Close()))

		requireSameFiles(t, dir, packOf(t, dir, PackOptions{ShardBytes: 30_000}))
		other := packOf(t, path, PackOptions{})
		requireSameFiles(t, dir, packOf(t, other, PackOptions{Tiers: plan, ShardBytes: 30_000}))
		v, err := VerifyPack(context.Background(), dir, VerifyOptions{})
		require.NoError(t, err)
		require.Empty(t, v.Damaged)

		plan.Tiers[0].Budget.Parameters = 1
		_, err = Pack(context.Background(), path, filepath.Join(t.TempDir(), "p"), PackOptions{Tiers: plan})
		var over *TierBudgetError
		require.ErrorAs(t, err, &over)
	}
}

// TestPackKeepsAPlacement holds that a placement which is packed is in force when the
// pack is opened, also for a tier whose name is no name of a file, and that one which
// nobody could open is refused.
func TestPackKeepsAPlacement(t *testing.T) {
	shape := synth.Tiny("lite")
	shape.Tiers[1].Name = "hot/tier 1"
	path := writeModel(t, shape, "Q8_0")
	read := func(text string) *Placement {
		p, err := placement.Read(strings.NewReader(text))
		require.NoError(t, err)
		return p
	}
	dir := packOf(t, path, PackOptions{Placement: read(`{"tiers":{"hot/tier 1":{"pin":true}}}`)})
	m, err := Open(dir, Options{})
	require.NoError(t, err)
	require.True(t, m.places[1].policy.Pin)
	require.False(t, m.places[0].policy.Pin)
	found := 0
	for _, o := range m.w.Objects {
		if strings.HasPrefix(o.Name, m.places[1].prefix) {
			found++
		}
	}
	require.Equal(t, shape.Layers, found, "its files are found by their prefix")
	require.NoError(t, m.Close())
	requireSameFiles(t, dir, packOf(t, dir, PackOptions{}))
	for text, want := range map[string]string{
		`{"tiers":{"none":{"pin":true}}}`:                         "the model has no such tier",
		`{"tiers":{"xs":{"credentials":{"profile":"somebody"}}}}`: "a model cannot name credentials",
	} {
		_, err := Pack(context.Background(), path, filepath.Join(t.TempDir(), "p"), PackOptions{Placement: read(text)})
		var bad *PlacementError
		require.ErrorAs(t, err, &bad)
		require.ErrorContains(t, err, want)
	}
}

// TestPackIntoAStore writes a pack into a bucket and runs it from there, on an S3
// server where there is one; it is the same pack, verified where it is, packed again
// from there, and what is damaged there is neither run nor packed again.
func TestPackIntoAStore(t *testing.T) {
	stores := map[string]func(t *testing.T) (string, string, Storage){
		"dir": func(t *testing.T) (string, string, Storage) {
			root := t.TempDir()
			return "dir:" + root, root, Storage{}
		},
		"s3": func(t *testing.T) (string, string, Storage) {
			credentials(t)
			srv := s3test.Start(t)
			return "s3://" + s3test.Name + "/a", filepath.Join(srv.Dir, "a"), Storage{Endpoint: srv.URL}
		},
	}
	path := writeModel(t, synth.Tiny("qwen3moe"), "Q8_0")
	want, local := answerOf(t, path, Options{}), packOf(t, path, PackOptions{})
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			at, root, storage := open(t)
			ctx, url := context.Background(), at+"/model.pack"
			info, err := Pack(ctx, path, url, PackOptions{Storage: storage})
			require.NoError(t, err)
			require.Equal(t, url, info.Path)
			v, err := VerifyPack(ctx, url, VerifyOptions{Storage: storage})
			require.NoError(t, err)
			require.Empty(t, v.Damaged)
			require.Equal(t, info.Digest, v.Digest)
			require.Equal(t, info.Bytes, v.Bytes)
			storage.CacheDir = filepath.Join(t.TempDir(), "cache")
			require.Equal(t, want, answerOf(t, url, Options{Storage: storage}))

			requireSameFiles(t, local, packOf(t, url, PackOptions{Storage: storage}))
			_, err = Pack(ctx, path, url, PackOptions{Storage: storage})
			require.ErrorContains(t, err, "is there already")
			if name != "dir" {
				return
			}
			requireSameFiles(t, local, filepath.Join(root, "model.pack"))
			shard := filepath.Join(root, "model.pack", "tiers", "experts", "L001-000.gguf")
			b, err := os.ReadFile(shard)
			require.NoError(t, err)
			b[len(b)-5000] ^= 1
			require.NoError(t, os.WriteFile(shard, b, 0o600))
			v, err = VerifyPack(ctx, url, VerifyOptions{})
			require.NoError(t, err)
			require.Len(t, v.Damaged, 1)
			_, err = Pack(ctx, url, filepath.Join(t.TempDir(), "p"), PackOptions{})
			var bad *IntegrityError
			require.ErrorAs(t, err, &bad)
		})
	}
}
