package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/gguf"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// make writes the model that args describe and returns its path.
func makeModel(t *testing.T, args ...string) string {
	path := filepath.Join(t.TempDir(), "m.gguf")
	var out bytes.Buffer
	require.NoError(t, run(append(args, "--out", path), &out, io.Discard))
	require.Contains(t, out.String(), path)
	return path
}

func digest(t *testing.T, path string) string {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

// TestFamilies writes and reads a tiny model of every family in a few formats.
func TestFamilies(t *testing.T) {
	for _, family := range synth.Families() {
		for _, mix := range []string{"F32", "Q8_0", "Q4_K_M"} {
			t.Run(family+"/"+mix, func(t *testing.T) {
				m, err := gguf.Open(vfs.OS{}, makeModel(t, "--family", family, "--quant", mix))
				require.NoError(t, err)
				arch, err := m.Meta.String("general.architecture")
				require.NoError(t, err)
				require.Equal(t, strings.NewReplacer("mixtral", "llama", "sparse", "lite-sparse").Replace(family), arch)
				layers, err := m.Meta.Uint(strings.Replace(arch, "lite-sparse", "llama", 1) + ".block_count")
				require.NoError(t, err)
				_, ok := m.Tensor(fmt.Sprintf("blk.%d.attn_output.weight", layers-1))
				require.True(t, ok)
				for x := range m.All() {
					require.True(t, x.Type.Supported())
				}
			})
		}
	}
}

// TestDeterministic holds that equal flags give equal bytes, and that the seed,
// the skew and the router change them.
func TestDeterministic(t *testing.T) {
	base := []string{"--family", "qwen3moe", "--dim", "256"}
	first := digest(t, makeModel(t, base...))
	require.Equal(t, first, digest(t, makeModel(t, base...)))
	for _, change := range [][]string{{"--seed", "2"}, {"--skew", "0.5"}, {"--router", "3"}, {"--layers", "3"}} {
		require.NotEqual(t, first, digest(t, makeModel(t, append(change, base...)...)), "%v", change)
	}
}

// TestSplitOption holds that a split has the bytes of the whole.
func TestSplitOption(t *testing.T) {
	whole, err := gguf.Open(vfs.OS{}, makeModel(t, "--family", "olmoe"))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, run([]string{"--family", "olmoe", "--split", "50KiB", "--out", filepath.Join(dir, "m.gguf")}, io.Discard, io.Discard))
	parts, err := filepath.Glob(filepath.Join(dir, "m-00001-of-*.gguf"))
	require.NoError(t, err)
	require.Len(t, parts, 1)
	m, err := gguf.Open(vfs.OS{}, parts[0])
	require.NoError(t, err)
	require.Greater(t, len(m.Objects), 2)
	require.Equal(t, whole.Len(), m.Len())
	for x := range whole.All() {
		y, ok := m.Tensor(x.Name)
		require.True(t, ok)
		require.Equal(t, content(t, x), content(t, y), x.Name)
	}
}

func content(t *testing.T, x weights.Tensor) []byte {
	f, err := vfs.OS{}.Open(x.Range.Object.Name)
	require.NoError(t, err)
	defer f.Close()
	p := make([]byte, x.Range.Len)
	_, err = f.ReadAt(p, x.Range.Off)
	require.NoError(t, err)
	return p
}

// TestSkew measures the lengths of a router's rows: alike without skew, spread
// log-normally with it, and of the same mean square.
func TestSkew(t *testing.T) {
	lengths := func(skew string) (mean, spread float64) {
		m, err := gguf.Open(vfs.OS{}, makeModel(t, "--family", "olmoe", "--experts", "512", "--skew", skew))
		require.NoError(t, err)
		x, ok := m.Tensor("blk.1.ffn_gate_inp.weight")
		require.True(t, ok)
		values := make([]float32, x.Elements())
		quant.Dequantize(quant.F32, values, content(t, x))
		var logs []float64
		for i := 0; i < len(values); i += x.Dims[0] {
			square := 0.0
			for _, v := range values[i : i+x.Dims[0]] {
				square += float64(v) * float64(v)
			}
			mean += square / 512
			logs = append(logs, math.Log(square)/2)
		}
		center := 0.0
		for _, l := range logs {
			center += l / 512
		}
		for _, l := range logs {
			spread += (l - center) * (l - center) / 512
		}
		return mean, math.Sqrt(spread)
	}
	mean, spread := lengths("0")
	require.InDelta(t, 4, mean, 0.2, "the gain's square")
	require.Less(t, spread, 0.12)
	mean, spread = lengths("0.5")
	require.InDelta(t, 4, mean, 1)
	require.InDelta(t, 0.5, spread, 0.08)
}

func TestFlags(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no output":      {[]string{"--family", "olmoe"}, "usage: genmodel"},
		"argument":       {[]string{"--family", "olmoe", "--out", "x", "y"}, "usage: genmodel"},
		"no family":      {[]string{"--out", "x"}, `--family "" is unknown; known: deepseek2, lite, llama,`},
		"shape":          {[]string{"--shape", "huge", "--out", "x"}, `--shape "huge" is unknown; known: tiny,`},
		"other family":   {[]string{"--shape", "olmoe-7b", "--family", "llama", "--out", "x"}, "--shape olmoe-7b is of the family olmoe, not llama"},
		"quant":          {[]string{"--family", "olmoe", "--quant", "Q1", "--out", "x"}, `--quant "Q1" is unknown`},
		"number":         {[]string{"--family", "olmoe", "--layers", "-1", "--out", "x"}, "want a number from 0 to 16777216"},
		"no layers":      {[]string{"--family", "olmoe", "--layers", "0", "--out", "x"}, "must be positive"},
		"heads":          {[]string{"--family", "qwen2", "--kv-heads", "3", "--out", "x"}, "--heads must be a multiple of --kv-heads"},
		"odd head":       {[]string{"--family", "qwen3", "--head-dim", "7", "--out", "x"}, "--head-dim must be even"},
		"experts used":   {[]string{"--family", "olmoe", "--experts-used", "9", "--out", "x"}, "--experts-used must be 1 to --experts"},
		"no experts":     {[]string{"--family", "mixtral", "--experts", "0", "--out", "x"}, "the family mixtral needs --experts"},
		"groups":         {[]string{"--family", "deepseek2", "--groups", "3", "--out", "x"}, "--groups must divide --experts"},
		"rotation":       {[]string{"--family", "deepseek2", "--rot", "0", "--out", "x"}, "deepseek2 needs"},
		"tiers":          {[]string{"--family", "lite", "--tiers", "xs", "--out", "x"}, `tier "xs": want NAME:HIDDEN:GROUPSxEXPERTS`},
		"tier too small": {[]string{"--family", "lite", "--tiers", "xs:32:1x1", "--out", "x"}, "at least --experts-used 2 experts per group"},
		"split":          {[]string{"--family", "olmoe", "--split", "big", "--out", "x"}, `"big" is not a size`},
		"directory":      {[]string{"--family", "olmoe", "--out", "/nonexistent/x"}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, run(c.args, io.Discard, io.Discard), c.want)
		})
	}
}
