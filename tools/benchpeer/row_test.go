package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSummary(t *testing.T) {
	require.Equal(t, []string{"2", "1", "9"}, summary([]float64{9, 1, 2}))
	require.Equal(t, []string{"2.5", "1", "9"}, summary([]float64{9, 1, 2, 3}))
	require.Equal(t, []string{"-", "-", "-"}, summary(nil))
}

// TestRatios divides neighbours in time, not medians.
func TestRatios(t *testing.T) {
	r := row{model: "m", work: "w", unit: "tokens/s", threads: 2, lite: []float64{10, 30, 20}, peer: "p", peers: []float64{5, 10, 20}, note: "a\tb\nc"}
	require.Equal(t, strings.Split("m w tokens/s 2 20 10 30 p 10 5 20 2 1 3", " "), r.cells()[:14])
	require.Equal(t, "a b c", r.cells()[14])
	require.Equal(t, "m, w: 20 (10–30) tokens/s; p 10 (5–20): ratio 2 (1–3) [a\tb\nc]", r.String())
	r.peer, r.peers = "", nil
	require.Equal(t, strings.Split("- - - - - - -", " "), r.cells()[7:14])
}

func TestLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.tsv")
	var out bytes.Buffer
	l := &ledger{path: path, origin: []string{"2026-01-02", "abc", "cpu"}, note: "quiet", out: &out}
	require.NoError(t, l.add(row{model: "m", work: "w", unit: "s", threads: 1, lite: []float64{1}}))
	require.NoError(t, l.fail(row{model: "m", work: "v", unit: "s", threads: 1, peer: "p"}, errors.New("no\nroom")))
	require.Equal(t, 1, l.failures)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	require.Len(t, lines, 3)
	for _, line := range lines {
		require.Len(t, strings.Split(line, "\t"), len(columns), line)
	}
	require.Equal(t, strings.Join(columns, "\t"), lines[0])
	require.Equal(t, "2026-01-02\tabc\tcpu\tm\tv\ts\t1\t-\t-\t-\tp\t-\t-\t-\t-\t-\t-\tfailed: no room; quiet", lines[2])
	require.Equal(t, "m, w: 1 (1–1) s [quiet]\nm, v: [failed: no room; quiet]\n", out.String())
}

func TestReasonIsShort(t *testing.T) {
	text := reason(errors.New(strings.Repeat("ä ", 1000) + "the end"))
	require.LessOrEqual(t, len(text), longestReason+8)
	require.True(t, strings.HasSuffix(text, "the end"))
}
