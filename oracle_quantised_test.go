package lite_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/oracle"
	"github.com/lite-llm/lite/internal/oracle/oracletest"
)

// TestOracleQuantised holds every block format to the engine's results with
// the same weights decoded to F32. Over the positions before the first at which
// any layer's choice of experts differs, logits are within 6 %, and the most
// likely token is the same wherever the engine's leads by more than that. So are
// the greedy tokens, until one of them is closer or an expert has flipped.
func TestOracleQuantised(t *testing.T) {
	dir := oracletest.Dir(t, ".")
	for _, name := range oracleQuantised {
		t.Run(name, func(t *testing.T) { compareQuantised(t, dir, name) })
	}
}

func compareQuantised(t *testing.T, dir, name string) {
	g, err := oracle.Load(dir, name+".dequant")
	require.NoError(t, err)
	m := openOracle(t, oraclePath(dir, name))
	r := runTokens(t, m, g.Tokens)
	n := firstFlip(g, r)
	require.Positive(t, n, "the first token already chose other experts")
	ours, theirs := r.logits[:n*g.Vocab], g.Logits[:n*g.Vocab]
	relative, allowed := oracle.RMS(ours, theirs), 0.06*rms(theirs)
	leads := 0
	for i := range n {
		want := g.Argmax[i]
		_, gap := best(theirs[i*g.Vocab : (i+1)*g.Vocab])
		if got, _ := best(r.at(i)); gap > allowed {
			require.Equal(t, want, got, "position %d, where the engine's best leads by %g, more than %g", i, gap, allowed)
			leads++
		}
	}
	t.Logf("%d of %d positions before an expert flips, deviation %.4f; %d most likely tokens lead by more than 6 %%",
		n, len(g.Tokens), relative, leads)
	require.Less(t, relative, 0.06)
	require.Greater(t, leads, n/2)
	if n < len(g.Tokens) {
		return // what follows is computed from another context
	}
	same := 0
	for same < len(g.Greedy) && g.GreedyGap[same] > allowed {
		same++
	}
	require.Equal(t, g.Greedy[:same], greedy(t, m, g.Tokens, max(1, same))[:same])
}
