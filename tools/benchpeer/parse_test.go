package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/weights/gguf"
	"github.com/lite-llm/lite/internal/weights/synth"
)

func TestLastLine(t *testing.T) {
	b, err := lastLine([]byte(`{"run":0}
{"tokens_sha256":"ab","stats":{"generated_tokens":48,"decode_tokens_per_s":7.5,"read_bytes":{"dram":1,"nvme":20},"missed_bytes":20,"expert_hits":3,"expert_misses":1}}
`))
	require.NoError(t, err)
	require.Equal(t, 7.5, b.Stats.Decode)
	require.EqualValues(t, 21, b.read())
	for _, bad := range []string{"", "lite: no room", `{"stats":{}}`} {
		_, err := lastLine([]byte(bad))
		require.ErrorContains(t, err, "lite bench", bad)
	}
}

// TestDecoded leaves out what the prompt missed.
func TestDecoded(t *testing.T) {
	var whole, prompt benched
	whole.Stats.Generated, whole.Stats.Decode, whole.Stats.Missed, whole.Stats.Misses, whole.Stats.Hits = 5, 7, 1000, 100, 60
	prompt.Stats.Generated, prompt.Stats.Missed, prompt.Stats.Misses, prompt.Stats.Hits = 1, 600, 60, 0
	v, err := decoded(&whole, &prompt)
	require.NoError(t, err)
	require.Equal(t, values{"decode": 7, "missed": 100, "miss": 0.4}, v)
	_, err = decoded(&prompt, &whole)
	require.Error(t, err)
}

func TestSameTokens(t *testing.T) {
	var same sameTokens
	require.NoError(t, same.check(&benched{TokensSHA256: "a"}))
	require.NoError(t, same.check(&benched{TokensSHA256: "a"}))
	require.ErrorContains(t, same.check(&benched{TokensSHA256: "b"}), "tokens differ")
}

func TestEvaluated(t *testing.T) {
	rate, err := evaluated([]byte(`0.05 I common_perf_print: prompt eval time =    1702.77 ms /    31 tokens (   54.93 ms per token,    18.21 tokens per second)
0.05 I common_perf_print:        eval time =    1500.00 ms /    47 runs   (   31.91 ms per token,    31.33 tokens per second)
`))
	require.NoError(t, err)
	require.Equal(t, 31.33, rate)
	_, err = evaluated([]byte("prompt eval time = 1 ms / 1 tokens ( 1 ms per token, 18.21 tokens per second)"))
	require.Error(t, err)
}

func TestCounted(t *testing.T) {
	for _, c := range []struct {
		content, key string
		want         int64
	}{
		{"17\n", "", 17},
		{"low 0\nhigh 1\nmax 23\noom 4\n", "max", 23},
	} {
		n, err := counted(c.content, c.key)
		require.NoError(t, err)
		require.Equal(t, c.want, n)
	}
	for _, c := range [][2]string{{"", ""}, {"low 0\n", "max"}, {"low 0\n", ""}, {"x\n", ""}} {
		_, err := counted(c[0], c[1])
		require.Error(t, err, c)
	}
}

func TestLabel(t *testing.T) {
	require.Equal(t, "olmoe-7b_Q4_K_M", label("--shape olmoe-7b --quant Q4_K_M"))
	require.Equal(t, "olmoe-7b_Q4_K_M_skew-1", label("--shape olmoe-7b --quant Q4_K_M --skew 1"))
	require.Equal(t, "qwen3-30b-a3b-12l_Q4_K_M_context-32768", label(" --shape qwen3-30b-a3b-12l --quant Q4_K_M --context 32768"))
}

func TestChoose(t *testing.T) {
	all, err := choose("")
	require.NoError(t, err)
	require.Len(t, all, len(sections))
	some, err := choose("start,speed")
	require.NoError(t, err)
	require.Len(t, some, 2)
	require.Equal(t, "speed", some[0].name)
	for _, bad := range []string{"none", "speed,speed", "speed,"} {
		_, err := choose(bad)
		require.Error(t, err, bad)
	}
}

func TestParse(t *testing.T) {
	c, results, note, err := parse([]string{"--rounds", "2", "--note", "n", "--results", "", "a.gguf"})
	require.NoError(t, err)
	require.Equal(t, []string{"a.gguf"}, c.quick)
	require.Equal(t, []string{"", "n"}, []string{results, note})
	c, _, _, err = parse(nil)
	require.NoError(t, err)
	require.Equal(t, []string{"tiny", c.model}, c.quick)
	_, _, _, err = parse([]string{"--rounds", "0"})
	require.ErrorContains(t, err, "from 1")
}

// TestShape counts a small file by hand.
func TestShape(t *testing.T) {
	path := filepath.Join(t.TempDir(), "small.gguf")
	sh, err := synth.ShapeOf("tiny", "olmoe")
	require.NoError(t, err)
	mix, err := synth.ParseMix("Q8_0")
	require.NoError(t, err)
	m, err := synth.New(sh, synth.Options{Seed: 1, Mix: mix, Router: 2})
	require.NoError(t, err)
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, gguf.Write(f, m.Keys(), m.Infos(), m.Data(func(int) {})))
	require.NoError(t, f.Close())
	s, err := shapeOf(path)
	require.NoError(t, err)
	var experts, embedding, total int64
	for _, i := range m.Infos() {
		n, err := i.Bytes()
		require.NoError(t, err)
		total += n
		switch {
		case i.Name == "token_embd.weight":
			embedding = n
		case len(i.Dims) == 3: // the stacks alone
			experts += n
		}
	}
	require.Positive(t, experts)
	require.Equal(t, experts, s.allExperts)
	require.Equal(t, total-experts-embedding, s.trunk)
	require.InDelta(t, float64(s.trunk)+float64(experts)*float64(s.chosen)/float64(s.experts), s.active(), 1)
	require.InDelta(t, 1-float64(s.trunk)/s.active(), s.expertShare(), 1e-12)
}

func TestFirstToken(t *testing.T) {
	ctx := context.Background()
	seconds, err := firstToken(ctx, "ab", []string{"printf", "abc"})
	require.NoError(t, err)
	require.Positive(t, seconds)
	_, err = firstToken(ctx, "abc", []string{"printf", "abc"})
	require.ErrorContains(t, err, "no token")
	_, err = firstToken(ctx, "", []string{"false"})
	require.ErrorContains(t, err, "exit status 1")
}
