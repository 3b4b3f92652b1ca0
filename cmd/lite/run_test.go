package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// countdown is a context that is cancelled when it has been asked so often.
type countdown struct {
	context.Context //nolint:containedctx // it is one
	n               int
}

// Err implements context.Context.
func (c *countdown) Err() error {
	if c.n--; c.n < 0 {
		return context.Canceled
	}
	return nil
}

// TestRunJSONInterrupted prints what there is of an answer. The context is
// asked at each of six layers of each token.
func TestRunJSONInterrupted(t *testing.T) {
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs([]string{"run", "tiny", "In the beginning", "--json", "--seed", "1", "--tier-set", "fast"})
	root.SetOut(&out)
	err := root.ExecuteContext(&countdown{Context: t.Context(), n: 100})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, exitInterrupted, exitCode(err))
	var r result
	require.NoError(t, json.Unmarshal(out.Bytes(), &r))
	require.NotEmpty(t, r.Tokens)
	require.Less(t, len(r.Tokens), textTokens)
	require.EqualValues(t, "cancelled", r.Stop)
}

// TestInterrupted ends every command that computes, and leaves no half of a file.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	text, logits := filepath.Join(dir, "text"), filepath.Join(dir, "logits.f32")
	require.NoError(t, os.WriteFile(text, bytes.Repeat([]byte("In the beginning "), 40), 0o600))
	for _, args := range [][]string{
		{"eval", "tiny", text, "--window", "16", "--tier-set", "fast"},
		{"bench", "tiny", "--prompt", "16", "--generate", "64", "--tier-set", "fast"},
		{"logits", "tiny", "--tokens", "1,2,3,4,5,6,7,8,9", "--chunk", "1", "--tier-set", "fast", "--out", logits},
	} {
		root := newRoot()
		root.SetArgs(args)
		root.SetOut(io.Discard)
		err := root.ExecuteContext(&countdown{Context: t.Context(), n: 30})
		require.ErrorIs(t, err, context.Canceled, "%q", args)
		require.Equal(t, exitInterrupted, exitCode(err))
	}
	require.NoFileExists(t, logits)
}

// TestTerminalOutput holds what a model or a file says to text.
func TestTerminalOutput(t *testing.T) {
	const said = "\x1b[2Jé\x07\t\u009b5n\r\n\xff"
	var out bytes.Buffer
	o := &output{w: &out, terminal: true}
	n, err := o.Write([]byte(said))
	require.NoError(t, err)
	require.Equal(t, len(said), n)
	require.Equal(t, "\uFFFD[2Jé\uFFFD\t\uFFFD5n\uFFFD\n\uFFFD", out.String())

	out.Reset()
	_, err = newOutput(&out).Write([]byte(said))
	require.NoError(t, err)
	require.Equal(t, said, out.String(), "a file gets what was said")
}

// TestBenchKernels has a row for each format and implementation.
func TestBenchKernels(t *testing.T) {
	t.Setenv("LITE_KERNELS", "")
	b := kernelBench{rows: 32, cols: 256, batch: 2, atLeast: time.Nanosecond, json: true}
	var out bytes.Buffer
	require.NoError(t, benchKernels(&out, b))
	seen := map[string]int{}
	for line := range bytes.Lines(out.Bytes()) {
		var p product
		require.NoError(t, json.Unmarshal(line, &p, json.RejectUnknownMembers(true)))
		require.Positive(t, p.GEMV)
		require.Positive(t, p.GEMM)
		seen[p.Format]++
	}
	for _, format := range []string{"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"} {
		require.NotZero(t, seen[format], format)
	}
	t.Setenv("LITE_KERNELS", "reference")
	b.json = false
	out.Reset()
	require.NoError(t, benchKernels(&out, b))
	require.Contains(t, out.String(), "| Q4_K   | reference | ")
	require.NotContains(t, out.String(), "avx2")
}
