package lite_test

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/oracle"
	"github.com/lite-llm/lite/internal/oracle/oracletest"
	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// quality is the page whose tables the tests below compute.
const quality = "docs/format/quality.md"

// requireTable holds the table after a heading of the page to lines; with
// -rewrite it is replaced.
func requireTable(t *testing.T, heading string, lines []string) {
	t.Helper()
	raw, err := os.ReadFile(quality)
	require.NoError(t, err)
	before, after, found := strings.Cut(string(raw), heading+"\n")
	require.True(t, found, heading)
	at := strings.Index(after, "\n|")
	require.GreaterOrEqual(t, at, 0, "a table after %s", heading)
	table, rest, _ := strings.Cut(after[at+1:], "\n\n")
	want := strings.Join(lines, "\n")
	if f := flag.Lookup("rewrite"); f != nil && f.Value.String() == "true" {
		page := before + heading + "\n" + after[:at+1] + want + "\n\n" + rest
		require.NoError(t, os.WriteFile(quality, []byte(strings.TrimRight(page, "\n")+"\n"), 0o600))
		return
	}
	require.Equal(t, want, strings.TrimRight(table, "\n"), "run the test with -rewrite and look at the difference")
}

// TestQualityOfProducts measures products of random weights of every format by
// random activations, against the same in float64. The bits are the profile's,
// so that the digits never change within it.
func TestQualityOfProducts(t *testing.T) {
	lines := []string{"| format | activations | deviation | of it, from rounding activations | from float32 sums |", "|---|---|---|---|---|"}
	for _, typ := range quant.Types() {
		whole, rounding, sums := productDeviation(t, typ)
		how := "float32"
		if n := typ.BlockLen(); n > 1 {
			how = fmt.Sprintf("int8 in blocks of %d", n)
		}
		lines = append(lines, fmt.Sprintf("| %s | %s | %.1e | %.1e | %.1e |", typ, how, whole, rounding, sums))
		if typ.BlockLen() == 1 {
			require.Less(t, whole, 1e-6)
		} else {
			require.Less(t, whole, 0.02)
			require.Less(t, sums, 1e-6)
		}
	}
	requireTable(t, "## Products", lines)
}

// productDeviation is the relative deviation of products of 64 rows of 2,048
// weights by 8 rows of activations: from exact ones, the part of it that
// rounding the activations to int8 has, and what is left.
func productDeviation(t *testing.T, typ quant.Type) (whole, rounding, sums float64) {
	t.Helper()
	const rows, cols, inputs = 64, 2048, 8
	shape := synth.Tiny("qwen2")
	shape.Dim, shape.FF, shape.Layers = cols, rows, 1
	f := modeltest.Random(t, shape, typ.String(), 9)
	m, err := linear.NewMatrix(typ, rows, cols, f.Tensor(t, "blk.0.ffn_up.weight"))
	require.NoError(t, err)
	w := make([]float32, rows*cols)
	quant.Dequantize(typ, w, m.Data)
	r := rand.New(rand.NewPCG(4, 4))
	x := make([]float32, inputs*cols)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	k, in, got := linear.For(kernel.Reference), linear.Input{}, make([]float32, inputs*rows)
	in.Set(x, inputs, cols)
	require.NoError(t, k.Prepare(&in, typ))
	k.Mul(got, rows, m, &in, 0, rows, &linear.Scratch{})
	rounded := roundedActivations(x, typ.BlockLen())
	var all, byRounding, bySums, square float64
	for i := range inputs {
		for j := range rows {
			exact, near := 0.0, 0.0
			for c := range cols {
				exact += float64(float64(w[j*cols+c]) * float64(x[i*cols+c]))
				near += float64(float64(w[j*cols+c]) * rounded[i*cols+c])
			}
			y := float64(got[i*rows+j])
			all += float64((y - exact) * (y - exact))
			byRounding += float64((near - exact) * (near - exact))
			bySums += float64((y - near) * (y - near))
			square += float64(exact * exact)
		}
	}
	return math.Sqrt(all / square), math.Sqrt(byRounding / square), math.Sqrt(bySums / square)
}

// roundedActivations are the values that rule 3 makes of x: whole multiples of
// a block's largest one over 127.
func roundedActivations(x []float32, block int) []float64 {
	out := make([]float64, len(x))
	for at := 0; at < len(x); at += block {
		var largest float32
		for _, v := range x[at : at+block] {
			largest = max(largest, v, -v)
		}
		for i, v := range x[at : at+block] {
			if out[at+i] = float64(v); block > 1 {
				q := math.RoundToEven(float64(float32(v * float32(127/largest))))
				out[at+i] = float64(q * float64(float32(largest/127)))
			}
		}
	}
	return out
}

// TestQualityOfModels measures logits against the independent engine's with the
// same weights decoded to F32, beside its own deviation when it computes with
// the blocks, over the positions before the first that has other experts.
func TestQualityOfModels(t *testing.T) {
	dir := oracletest.Dir(t, ".")
	lines := []string{"| model | Lite | positions | the engine itself | positions |", "|---|---|---|---|---|"}
	for _, name := range oracleF32 {
		g, err := oracle.Load(dir, name+".f32")
		require.NoError(t, err)
		r := runTokens(t, openOracle(t, oraclePath(dir, name+".f32")), g.Tokens)
		lines = append(lines, fmt.Sprintf("| %s F32 | %.0e | %d | | |", name, oracle.RMS(r.logits, g.Logits), len(g.Tokens)))
	}
	for _, name := range oracleQuantised {
		g, err := oracle.Load(dir, name+".dequant")
		require.NoError(t, err)
		native, err := oracle.Load(dir, name)
		require.NoError(t, err)
		r := runTokens(t, openOracle(t, oraclePath(dir, name)), g.Tokens)
		ours, theirs := firstFlip(g, r), engineFlip(g, native)
		lines = append(lines, fmt.Sprintf("| %s | %.2f %% | %d | %.2f %% | %d |", strings.Replace(name, ".", " ", 1),
			100*oracle.RMS(r.logits[:ours*g.Vocab], g.Logits[:ours*g.Vocab]), ours,
			100*oracle.RMS(native.Logits[:theirs*g.Vocab], g.Logits[:theirs*g.Vocab]), theirs))
	}
	requireTable(t, "## Models", lines)
}

// engineFlip is the first position at which the engine's two ways chose other
// experts.
func engineFlip(g, native *oracle.Golden) int {
	first := len(g.Tokens)
	for layer, tokens := range g.Experts {
		for i, want := range tokens {
			if i < first && !sameSet(want, native.Experts[layer][i]) {
				first = i
			}
		}
	}
	return max(first, 1)
}

func sameSet(a, b []int) bool {
	for _, v := range a {
		found := false
		for _, w := range b {
			found = found || v == w
		}
		if !found {
			return false
		}
	}
	return len(a) == len(b)
}
