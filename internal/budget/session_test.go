//go:build linux

package budget

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite"
	"github.com/lite-llm/lite/internal/memory"
)

// sessionOf names, to a process of this test, the model that it talks to.
const sessionOf = "LITE_BUDGET_SESSION"

// session is the other process: prompts that grow, so that every buffer does,
// contexts that come and go, and many answers, in the memory that its group
// has.
func session(path string) {
	m, err := lite.Open(path, lite.Options{Context: 1024})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var a answer
	s := m.NewSession()
	for i := range 16 {
		n := 1 + i*i*7/2
		g := s.Generate(context.Background(), lite.Request{
			Prompt: words(n)[:n], MaxTokens: 4, Hash: true, Sampling: lite.Sampling{Temperature: 1, TopP: 0.9, Seed: uint64(i)},
		})
		for range g.Tokens() {
		}
		if g.Err() != nil {
			fmt.Fprintln(os.Stderr, g.Err())
			os.Exit(1)
		}
		if i%5 == 4 {
			s.Close()
			s = m.NewSession()
		}
		st := g.Stats()
		a.Stats.Evictions += int64(st.ExpertEvictions)
		a.Stats.Prompt = max(a.Stats.Prompt, st.PromptTokens)
	}
	a.Stats.Peak = memory.PeakRSS()
	_ = json.MarshalWrite(os.Stdout, a)
}

// TestCapOfASession holds a process that lives longer to what its group allows,
// which it finds out by itself.
func TestCapOfASession(t *testing.T) {
	if testing.Short() {
		t.Skip("it generates dozens of answers")
	}
	model := generate(t, "--family olmoe --layers 4 --dim 512 --heads 8 --kv-heads 8 --experts 64 --experts-used 8 --expert-ff 512"+
		" --vocab 10000 --context 8192 --quant Q4_K_M")
	const limit = 110 * mib
	g := newGroup(t, limit)
	t.Setenv(sessionOf, model)
	stdout, stderr, peak, err := g.run(t, os.Args[0])
	require.NoError(t, err, "%s", stderr)
	var a answer
	require.NoError(t, json.Unmarshal(stdout, &a))
	require.Greater(t, a.Stats.Prompt, 512)
	require.Positive(t, a.Stats.Evictions)
	g.check(t, limit, a, peak)
}
