package tokenizer

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// counted counts what a merger asks.
type counted struct {
	joiner
	n int
}

func (c *counted) join(text string, a, b *symbol) (uint32, int32, bool) {
	c.n++
	return c.joiner.join(text, a, b)
}

// bounds are what is left after merging.
func (m *merger) bounds() []string {
	var out []string
	for i := 0; i >= 0 && i < len(m.symbols); i = m.symbols[i].next {
		out = append(out, m.text[m.symbols[i].lo:m.symbols[i].hi])
	}
	return out
}

// naive merges the first pair of least cost again and again, in O(n²).
func naive(parts []string, cost func(a, b string) (uint32, bool)) []string {
	for {
		best, at := uint32(0), -1
		for i := 1; i < len(parts); i++ {
			if c, ok := cost(parts[i-1], parts[i]); ok && (at < 0 || c < best) {
				best, at = c, i
			}
		}
		if at < 0 {
			return parts
		}
		parts = slices.Replace(slices.Clone(parts), at-1, at+1, parts[at-1]+parts[at])
	}
}

// TestBPEIsTheNaiveAlgorithm compares with merging by the definition, for
// random merges among few letters, where pairs overlap in every way.
func TestBPEIsTheNaiveAlgorithm(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 200 {
		symbols, merges := []string{"a", "b", "c"}, []string{}
		for range r.IntN(12) {
			a, b := symbols[r.IntN(len(symbols))], symbols[r.IntN(len(symbols))]
			if r.IntN(4) == 0 {
				b += "c" // perhaps no token and no result of a merge
			}
			merges, symbols = append(merges, a+" "+b), append(symbols, a+b)
		}
		m := must(t, bpeFile("gpt-2", merges...)).model.(*bpe)
		for range 20 {
			text := randomText(r, "abc", 30)
			want := naive(strings.Split(text, ""), func(a, b string) (uint32, bool) {
				i := slices.Index(merges, a+" "+b)
				return uint32(i), i >= 0
			})
			w := newMerger(text)
			for i := range len(text) {
				w.add(i, i+1, m.single[text[i]])
			}
			w.run(m)
			require.Equal(t, want, w.bounds(), "%q with %q", text, merges)
			w.free()
		}
	}
}

// TestSPMIsTheNaiveAlgorithm is the same by scores, equal ones among them, for
// vocabularies with tokens across the ends of words and without.
func TestSPMIsTheNaiveAlgorithm(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	crossing := 0
	for range 400 {
		f := file{"tokenizer.ggml.model": "llama", "tokenizer.ggml.scores": []float32{}, "tokenizer.ggml.add_space_prefix": false}
		f.add(Unknown, "<unk>")
		f.add(Normal, "a", "é", space)
		for range 1 + r.IntN(8) {
			f.add(Normal, randomText(r, "aé▁", 4))
		}
		scores := f["tokenizer.ggml.scores"].([]float32)
		for i := range scores {
			scores[i] = float32(r.IntN(7)-3) / 2
		}
		tok := must(t, f)
		m := tok.model.(*spm)
		if m.crosses {
			crossing++
		}
		for range 20 {
			text := randomText(r, "aé ", 30)
			want := naive(strings.Split(strings.ReplaceAll(text, " ", space), ""), func(a, b string) (uint32, bool) {
				id, ok := m.ids[a+b]
				if !ok {
					return 0, false
				}
				return uint32(100 - int(2*scores[id])), true
			})
			var got []string
			for _, id := range tok.Encode(nil, text, Options{}) {
				piece, _ := tok.Token(id)
				got = append(got, strings.ReplaceAll(piece, " ", space))
			}
			require.Equal(t, want, got, "%q", text)
		}
	}
	require.Greater(t, crossing, 50)
	require.Less(t, crossing, 350)
}

// randomText is one to limit letters.
func randomText(r *rand.Rand, letters string, limit int) string {
	from := []rune(letters)
	out := make([]rune, 1+r.IntN(limit))
	for i := range out {
		out[i] = from[r.IntN(len(from))]
	}
	return string(out)
}

// TestMergingIsLinearInQuestions holds the merger to three questions for a
// symbol, for a text in which everything merges.
func TestMergingIsLinearInQuestions(t *testing.T) {
	var merges []string
	for n := 1; n < 1024; n *= 2 {
		merges = append(merges, strings.Repeat("a", n)+" "+strings.Repeat("a", n))
	}
	m := must(t, bpeFile("gpt-2", merges...)).model.(*bpe)
	const size = 1 << 20
	w := newMerger(strings.Repeat("a", size))
	defer w.free()
	for i := range size {
		w.add(i, i+1, m.single['a'])
	}
	c := &counted{joiner: m}
	w.run(c)
	require.Len(t, w.bounds(), size/1024)
	require.LessOrEqual(t, c.n, 3*size)
}

func TestCostsOrderAsScoresDo(t *testing.T) {
	scores := []float32{3e38, 10, 1e-30, 0, -1e-30, -0.5, -2, -3e38}
	for i, s := range scores[1:] {
		require.Less(t, costOf(scores[i]), costOf(s), "%v before %v", scores[i], s)
	}
	zero := float32(0)
	require.Equal(t, costOf(zero), costOf(-zero*1))
}
