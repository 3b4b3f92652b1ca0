package pack_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/pack"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights/gguf"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// small is a pack of a few kilobytes for each kind of routing, so that each of its
// bytes can be changed.
func small(t testing.TB, family string, key ed25519.PrivateKey) vfs.Mem {
	t.Helper()
	s := synth.Tiny(family)
	s.Layers, s.Dim, s.Vocab, s.Heads, s.KVHeads, s.Experts, s.HeadDim = 1, 32, 360, 2, 2, 4, 16
	s.Tiers = []synth.Tier{{Name: "a", FF: 32, Groups: 2, Experts: 2}, {Name: "b", FF: 32, Groups: 1, Experts: 2}}
	j := jobOf(t, modeltest.Random(t, s, "Q8_0", 1))
	j.Key = key
	return write(t, j)
}

// use opens a pack and reads all of it, as somebody does who checks what he reads.
func use(fsys vfs.FS, opt pack.Options) error {
	p, err := pack.Open(fsys, dir, opt)
	if err != nil {
		return err
	}
	if err := p.CheckSizes(); err != nil {
		return err
	}
	var first error
	err = p.CheckAll(context.Background(), func(err error) {
		if first == nil {
			first = err
		}
	}, nil)
	if err != nil {
		return err
	}
	return first
}

// refused holds that a pack is refused by an error that has a type, and that
// finding out allocates no more than the pack's size suggests.
func refused(t *testing.T, fsys vfs.Mem, opt pack.Options, what string) {
	t.Helper()
	err := use(fsys, opt)
	require.Error(t, err, what)
	require.True(t, typed(err) || isA[*gguf.FormatError](err) || isA[*fs.PathError](err), "%s: %v", what, err)
	require.NotContains(t, err.Error(), "\n")
}

// TestEveryByteOfAManifest changes every byte of a signed manifest and of its
// signature, and cuts them at every byte: none is taken for the one that was
// signed. Without a key some are, as other manifests; none of them panics.
func TestEveryByteOfAManifest(t *testing.T) {
	private, _, err := pack.GenerateKey()
	require.NoError(t, err)
	key, err := pack.ParsePrivate(private)
	require.NoError(t, err)
	public := key.Public().(ed25519.PublicKey)
	for _, family := range []string{"lite", "qwen3moe"} {
		whole := small(t, family, key)
		require.NoError(t, use(whole, pack.Options{Key: public}))
		for _, file := range []string{pack.ManifestName, pack.SignatureName} {
			name := path.Join(dir, file)
			fsys := clone(whole)
			for i := range whole[name] {
				fsys[name] = bytes.Clone(whole[name])
				fsys[name][i] ^= 1 << (i % 8)
				_, err := pack.Open(fsys, dir, pack.Options{Key: public})
				if err == nil {
					// Base64 has two spellings for the bits that fill up its end; the
					// manifest has one.
					require.Equal(t, pack.SignatureName, file, "byte %d", i)
				} else {
					require.True(t, typed(err), "%s byte %d: %v", file, i, err)
				}
				if file == pack.ManifestName {
					if _, err := pack.Open(fsys, dir, pack.Options{}); err != nil {
						require.True(t, typed(err), "%s byte %d: %v", file, i, err)
					}
				}
				fsys[name] = whole[name][:i]
				_, err = pack.Open(fsys, dir, pack.Options{Key: public})
				if err == nil { // the last line's end
					require.Equal(t, pack.SignatureName, file)
					require.Equal(t, len(whole[name])-1, i)
					continue
				}
				require.True(t, typed(err), "%s cut at %d: %v", file, i, err)
			}
		}
	}
}

// TestEveryByteOfAHead changes every byte of the head of every shard.
func TestEveryByteOfAHead(t *testing.T) {
	for _, family := range []string{"lite", "qwen3moe"} {
		whole := small(t, family, nil)
		p, err := pack.Open(whole, dir, pack.Options{})
		require.NoError(t, err)
		for _, o := range p.Model.Objects[1:] {
			head := bytes.Clone(whole[o.Name][:p.Manifest.ShardHead])
			require.NoError(t, p.Check(o, head, 0, nil))
			for i := range head {
				head[i] ^= 1 << (i % 8)
				err := p.Check(o, head, 0, nil)
				head[i] ^= 1 << (i % 8)
				var bad *pack.IntegrityError
				require.ErrorAs(t, err, &bad, "%s byte %d", o.Name, i)
				require.Contains(t, bad.Part, "the head of a shard of layer 0 in tier ")
			}
		}
	}
}

// TestBytesOfThePack changes bytes all over the other files: experts, padding,
// hashes and the trunk, the small files at every byte. All is seen.
func TestBytesOfThePack(t *testing.T) {
	for _, family := range []string{"lite", "qwen3moe"} {
		whole := small(t, family, nil)
		for name := range whole {
			if strings.HasSuffix(name, pack.ManifestName) {
				continue
			}
			for i := 0; i < len(whole[name]); i += 1 + len(whole[name])/300 {
				whole[name][i] ^= 1 << (i % 8)
				err := use(whole, pack.Options{Verify: i%7 == 0})
				whole[name][i] ^= 1 << (i % 8)
				require.Error(t, err, "%s byte %d", name, i)
				require.True(t, typed(err) || isA[*gguf.FormatError](err), "%s byte %d: %v", name, i, err)
			}
		}
	}
}

// TestEveryLength cuts and lengthens every file.
func TestEveryLength(t *testing.T) {
	whole := small(t, "lite", nil)
	for name, b := range whole {
		for n := 0; n < len(b); n += 1 + len(b)/97 {
			fsys := clone(whole)
			fsys[name] = b[:n]
			refused(t, fsys, pack.Options{}, fmt.Sprintf("%s cut at %d", name, n))
		}
		for _, tail := range []int{1, pack.Align, 1 << 20} {
			fsys := clone(whole)
			fsys[name] = append(bytes.Clone(b), make([]byte, tail)...)
			refused(t, fsys, pack.Options{}, fmt.Sprintf("%s with %d more", name, tail))
		}
		fsys := clone(whole)
		delete(fsys, name)
		refused(t, fsys, pack.Options{}, "without "+name)
	}
}

// TestSwapped exchanges what has one size: experts of a shard, shards of a layer,
// layers and tiers with their hashes. Each is in its place by its position alone, so
// all of it must be seen.
func TestSwapped(t *testing.T) {
	s := synth.Tiny("lite")
	s.Tiers = []synth.Tier{{Name: "a", FF: 32, Groups: 2, Experts: 2}, {Name: "b", FF: 32, Groups: 2, Experts: 2}}
	j := jobOf(t, modeltest.Random(t, s, "Q8_0", 1))
	j.ShardBytes = 1
	whole := write(t, j)
	require.NoError(t, use(whole, pack.Options{}))
	p, err := pack.Open(whole, dir, pack.Options{})
	require.NoError(t, err)
	x, _ := p.Model.Tensor("blk.0.tier.0.ffn_gate_exps.weight")
	a, err := x.Slice(0, 4)
	require.NoError(t, err)
	b, err := x.Slice(1, 4)
	require.NoError(t, err)
	fsys := clone(whole)
	file, n := fsys[a.Object.Name], b.Off-a.Off
	one := bytes.Clone(file[a.Off:][:n])
	copy(file[a.Off:], file[b.Off:][:n])
	copy(file[b.Off:], one)
	refused(t, fsys, pack.Options{}, "two experts")

	for _, pair := range [][2]string{
		{"tiers/a/L000-001.gguf", "tiers/b/L000-001.gguf"},
		{"tiers/a/L000-001.gguf", "tiers/a/L001-001.gguf"},
		{"tiers/a/L000.hashes", "tiers/a/L001.hashes"},
		{"tiers/a/L000.hashes", "tiers/b/L000.hashes"},
	} {
		fsys := clone(whole)
		one, two := path.Join(dir, pair[0]), path.Join(dir, pair[1])
		require.Len(t, fsys[one], len(fsys[two]))
		fsys[one], fsys[two] = fsys[two], fsys[one]
		refused(t, fsys, pack.Options{}, pair[0]+" and "+pair[1])
	}
}

// TestHostileManifests reads manifests that nobody wrote in good faith, canonical
// ones too. Each is refused for what is wrong with it.
func TestHostileManifests(t *testing.T) {
	for family, cases := range map[string][]struct {
		what, want string
		change     func(m *pack.Manifest)
	}{
		"lite": {
			{"no layers", "has 0 layers", func(m *pack.Manifest) { m.Layers = 0 }},
			{"layers", "the limit", func(m *pack.Manifest) { m.Tiers = make([]pack.Tier, pack.MaxTiers+1) }},
			{"routing", `has the routing "any"`, func(m *pack.Manifest) { m.Routing = "any" }},
			{"stacks", `has stacks by "layer"`, func(m *pack.Manifest) { m.Stacks = pack.ByLayer }},
			{"head", "shard heads of 4097 bytes", func(m *pack.Manifest) { m.ShardHead++ }},
			{"huge head", "shard heads of", func(m *pack.Manifest) { m.ShardHead = 1 << 40 }},
			{"page", "pages of 1 bytes", func(m *pack.Manifest) { m.Trunk.Page = 1 }},
			{"trunk", "a trunk of -1 bytes", func(m *pack.Manifest) { m.Trunk.Bytes = -1 }},
			{"short trunk", "the manifest says", func(m *pack.Manifest) { m.Trunk.Bytes-- }},
			{"no name", "a name has 1 to", func(m *pack.Manifest) { m.Tiers[0].Name = "" }},
			{"control", "no control character", func(m *pack.Manifest) { m.Tiers[0].Name = "a\x1b[2J" }},
			{"comma", "has no comma", func(m *pack.Manifest) { m.Tiers[0].Name = "a,b" }},
			{"long name", "a name has 1 to", func(m *pack.Manifest) { m.Tiers[0].Name = strings.Repeat("a", 200) }},
			{"same name", "has two tiers", func(m *pack.Manifest) { m.Tiers[1].Name = m.Tiers[0].Name }},
			{"same name, other case", "letters of another case", func(m *pack.Manifest) { m.Tiers[1].Name = "A" }},
			{"groups", "with 0 groups", func(m *pack.Manifest) { m.Tiers[0].Groups = 0 }},
			{"many groups", "groups of", func(m *pack.Manifest) { m.Tiers[0].Groups = 1 << 52 }},
			{"count", "which are not 2 groups of 2", func(m *pack.Manifest) { m.Tiers[0].Shapes[0].Count = 8 }},
			{"no experts", "has 0 experts", func(m *pack.Manifest) { m.Tiers[0].Shapes[0].Count = 0 }},
			{"odd shards", "not whole groups", func(m *pack.Manifest) { m.Tiers[0].Shapes[0].PerShard = 1 }},
			{"no shards", "0 to a shard", func(m *pack.Manifest) { m.Tiers[0].Shapes[0].PerShard = 0 }},
			{"no heads", "no routing heads", func(m *pack.Manifest) { m.Tiers[0].Shapes[0].GroupHead = pack.Matrix{} }},
			{"other heads", "routing heads of other sizes", func(m *pack.Manifest) { m.Tiers[0].Shapes[0].ExpertHead.Rows++ }},
			{"type", `the type "Q9"`, func(m *pack.Manifest) { m.Tiers[0].Shapes[0].Gate.Type = "Q9" }},
			{"no rows", "0 rows", func(m *pack.Manifest) { s := &m.Tiers[0].Shapes[0]; s.Gate.Rows, s.Up.Rows, s.Down.Cols = 0, 0, 0 }},
			{"no fit", "do not fit together", func(m *pack.Manifest) { m.Tiers[0].Shapes[0].Down.Rows *= 2 }},
			{"half blocks", "rows that cannot be", func(m *pack.Manifest) { s := &m.Tiers[0].Shapes[0]; s.Gate.Rows, s.Up.Rows, s.Down.Cols = 33, 33, 33 }},
			{"layer twice", "layer 0 after 0", func(m *pack.Manifest) { m.Tiers[0].Layers = append(m.Tiers[0].Layers, m.Tiers[0].Layers[0]) }},
			{"layer", "they ascend and are less than", func(m *pack.Manifest) { m.Tiers[0].Layers[0].Layer = 1 }},
			{"shape", "shape 1 of 1", func(m *pack.Manifest) { m.Tiers[0].Layers[0].Shape = 1 }},
			{"list", "lists 4 experts", func(m *pack.Manifest) { m.Tiers[0].Layers[0].Experts = []int32{0, 1, 2, 3} }},
			{"budget", "a budget of -1", func(m *pack.Manifest) { m.Tiers[0].Budget.Parameters = -1 }},
			{"set", "which does not exist", func(m *pack.Manifest) { m.Sets[0].Tiers = []string{"c"} }},
			{"set twice", "twice", func(m *pack.Manifest) { m.Sets[1].Name = m.Sets[0].Name }},
			{"default", "default tier set", func(m *pack.Manifest) { m.DefaultSet = "none" }},
			{"path", "%2E.%2F..%2Fetc/L000-000.gguf: file does not exist", func(m *pack.Manifest) {
				m.Tiers[0].Name = "../../etc"
				m.Sets = m.Sets[:1]
				m.Sets[0].Tiers = nil
				m.DefaultSet = m.Sets[0].Name
			}},
		},
		"qwen3moe": {
			{"experts", "more than one stack can have", func(m *pack.Manifest) {
				s := &m.Tiers[0].Shapes[0]
				s.Count, s.PerShard = 1<<32, 1<<32
				s.Gate = pack.Matrix{Type: "Q8_0", Cols: 32, Rows: 32}
				s.Up, s.Down = s.Gate, s.Gate
			}},
			{"shards", "shards, the limit is", func(m *pack.Manifest) { s := &m.Tiers[0].Shapes[0]; s.Count, s.PerShard = 1<<40, 1 }},
			{"bytes", "more than fits", func(m *pack.Manifest) { s := &m.Tiers[0].Shapes[0]; s.Count, s.PerShard = 1<<52, 1<<52 }},
			{"matrix", "does not fit 63 bits", func(m *pack.Manifest) {
				s := &m.Tiers[0].Shapes[0]
				s.Gate = pack.Matrix{Type: "F32", Cols: 1 << 31, Rows: 1 << 31}
				s.Up, s.Down = s.Gate, s.Gate
			}},
			{"heads", "keeps in its trunk", func(m *pack.Manifest) { s := &m.Tiers[0].Shapes[0]; s.GroupHead = s.Gate }},
			{"groups", "more than one group", func(m *pack.Manifest) { m.Tiers[0].Groups = 2 }},
			{"list", "twice", func(m *pack.Manifest) { m.Tiers[0].Layers[0].Experts = []int32{0, 1, 1, 3} }},
			{"short list", "lists 3 experts and has 4", func(m *pack.Manifest) { m.Tiers[0].Layers[0].Experts = []int32{0, 1, 2} }},
			{"list beyond", "or has only 4", func(m *pack.Manifest) { m.Tiers[0].Layers[0].Experts = []int32{0, 1, 2, 4} }},
			{"no lists", "does not say which experts", func(m *pack.Manifest) {
				m.Tiers = append(m.Tiers, m.Tiers[0])
				m.Tiers[1].Name = "other"
			}},
		},
	} {
		whole := small(t, family, nil)
		name := path.Join(dir, pack.ManifestName)
		for _, c := range cases {
			m, err := pack.Decode(whole[name], "m")
			require.NoError(t, err)
			c.change(m)
			fsys := clone(whole)
			fsys[name], err = m.Encode()
			require.NoError(t, err, c.what)
			got := use(fsys, pack.Options{})
			require.ErrorContains(t, got, c.want, "%s: %s", family, c.what)
			require.True(t, typed(got) || isA[*fs.PathError](got), "%s: %v", c.what, got)
			require.Less(t, testing.AllocsPerRun(1, func() { _ = use(fsys, pack.Options{}) }), 1e5, c.what)
		}
		text := string(whole[name])
		for what, changed := range map[string]string{
			"a key twice":       strings.Replace(text, `{"architecture"`, `{"architecture":"x","architecture"`, 1),
			"another case":      strings.Replace(text, `{"architecture"`, `{"Architecture":"x","architecture"`, 1),
			"an unknown key":    strings.Replace(text, `"layers":1,`, `"layers":1,"layersx":1,`, 1),
			"a space":           strings.Replace(text, `{"`, `{ "`, 1),
			"another number":    strings.Replace(text, `"layers":1,`, `"layers":1.0,`, 1),
			"a line at the end": text + "\n",
			"a key is missing":  strings.Replace(text, `{"architecture":"`+map[string]string{"lite": "lite", "qwen3moe": "qwen3moe"}[family]+`",`, `{`, 1),
			"a second value":    text + text,
			"an array":          "[" + text + "]",
			"deep":              strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000),
			"nothing":           "",
			"version":           strings.Replace(text, `"version":1`, `"version":2`, 1),
			"format":            strings.Replace(text, `"format":"lite.pack"`, `"format":"lite.pick"`, 1),
			"escaped":           strings.Replace(text, `"format"`, `"\u0066ormat"`, 1),
		} {
			require.NotEqual(t, text, changed, what)
			_, err := pack.Decode([]byte(changed), "m")
			require.True(t, isA[*pack.ManifestError](err), "%s: %v", what, err)
			require.Less(t, len(err.Error()), 400, what)
		}
	}
}

// FuzzManifest reads any bytes as a manifest. What is accepted is written as the
// same bytes, and a pack of it is described without a panic or an endless list.
func FuzzManifest(f *testing.F) {
	for _, family := range []string{"lite", "qwen3moe", "llama"} {
		f.Add(small(f, family, nil)[path.Join(dir, pack.ManifestName)])
	}
	f.Add([]byte(`{"format":"lite.pack","version":1}`))
	trunk := small(f, "llama", nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := pack.Decode(b, "m")
		if err != nil {
			require.True(t, isA[*pack.ManifestError](err), err)
			return
		}
		again, err := m.Encode()
		require.NoError(t, err)
		require.Equal(t, string(b), string(again))
		fsys := clone(trunk)
		fsys[path.Join(dir, pack.ManifestName)] = b
		if err := use(fsys, pack.Options{}); err != nil {
			require.True(t, typed(err) || isA[*fs.PathError](err), err)
		}
	})
}

// FuzzShard changes the files of a pack in one place of any size. What is not what
// was written is refused.
func FuzzShard(f *testing.F) {
	whole := small(f, "lite", nil)
	names := make([]string, 0, len(whole))
	for _, name := range []string{"trunk.gguf", "trunk.hashes", "tiers/a/L000-000.gguf", "tiers/a/L000.hashes", "tiers/b/L000-000.gguf"} {
		names = append(names, path.Join(dir, name))
	}
	f.Add(uint8(0), uint32(0), []byte("GGUF"))
	f.Add(uint8(2), uint32(4096), []byte{0, 1})
	f.Add(uint8(3), uint32(31), bytes.Repeat([]byte{7}, 40))
	f.Fuzz(func(t *testing.T, file uint8, at uint32, change []byte) {
		name := names[int(file)%len(names)]
		fsys := vfs.Mem{}
		maps.Copy(fsys, whole)
		b := bytes.Clone(whole[name])
		copy(b[int(at)%len(b):], change)
		fsys[name] = b
		err := use(fsys, pack.Options{Verify: at%2 == 0})
		if bytes.Equal(b, whole[name]) {
			require.NoError(t, err)
			return
		}
		require.True(t, typed(err) || isA[*gguf.FormatError](err), "%v", err)
	})
}
