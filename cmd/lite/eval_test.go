package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// evalReference runs eval on the reference model and returns what it prints.
func evalReference(t *testing.T, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("And there was light. ", 12)), 0o600))
	var out, errs bytes.Buffer
	args = append([]string{"eval", "../../testdata/native/reference.gguf", file, "--window", "32", "--memory", "1GiB"}, args...)
	require.Zero(t, run(args, strings.NewReader(""), &out, &errs), errs.String())
	return out.String()
}

// firstCells is the first cell of every row of Markdown tables.
func firstCells(text string) (cells []string) {
	for line := range strings.Lines(text) {
		if f := strings.Split(line, "|"); len(f) > 1 && !strings.HasPrefix(f[1], "-") {
			cells = append(cells, strings.TrimSpace(f[1]))
		}
	}
	return cells
}

func TestEvalPrintsTables(t *testing.T) {
	require.Equal(t, []string{"tier set", "fast"}, firstCells(evalReference(t, "--tier-set", "fast")), "nothing to compare")
	require.Equal(t, []string{
		"tier set", "fast", "full", "wide",
		"compared, paired by window", "full − fast", "wide − full",
	}, firstCells(evalReference(t, "--tier-set", "fast", "--tier-set", "full", "--tier-set", "wide")))
	require.Equal(t, []string{
		"tier set", "hole", "full", "hole (random routing)", "full (random routing)",
		"compared, paired by window", "full − hole", "hole (random routing) − hole", "full (random routing) − full",
	}, firstCells(evalReference(t, "--tier-set", "hole", "--tier-set", "full", "--random-routing")))
}

// TestEvalJSON holds the names of what scripts read: they may be added to.
func TestEvalJSON(t *testing.T) {
	var found []map[string]any
	require.NoError(t, json.Unmarshal([]byte(evalReference(t, "--random-routing", "--json")), &found))
	require.Len(t, found, 10)
	for i, e := range found {
		for _, key := range []string{
			"tier_set", "random_routing", "perplexity", "std_err", "tokens", "windows", "window", "active_params",
			"active_params_bound", "least_share", "read_bytes", "expert_hit_rate", "window_nll", "versus",
		} {
			require.Contains(t, e, key)
		}
		require.Equal(t, i >= 5, e["random_routing"])
		if i == 0 {
			require.Nil(t, e["versus"])
			continue
		}
		versus := e["versus"].(map[string]any)
		for _, key := range []string{"tier_set", "random_routing", "difference", "std_err", "std_errs", "ratio"} {
			require.Contains(t, versus, key)
		}
		with := found[i-1]
		if i >= 5 {
			with = found[i-5] // random routing, with learned routing of the same set
		}
		require.Equal(t, with["tier_set"], versus["tier_set"])
		require.Equal(t, false, versus["random_routing"])
		a, b := e["window_nll"].([]any), with["window_nll"].([]any)
		sum := 0.0
		for w := range a {
			sum += a[w].(float64) - b[w].(float64)
		}
		require.InDelta(t, sum/float64(len(a)), versus["difference"], 1e-12)
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	require.NoError(t, table{{"a", "±"}, {"long − er", "1"}, {"", "22"}}.print(&b))
	require.Equal(t, strings.Join([]string{
		"| a         | ±  |",
		"|-----------|----|",
		"| long − er | 1  |",
		"|           | 22 |",
		"",
	}, "\n"), b.String())
}
