package main

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/weights/synth"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lite": main})
}

// TestScripts runs the command as a process: what it prints, where, and its
// exit code.
func TestScripts(t *testing.T) {
	models := t.TempDir()
	moe := randomModel(t, models, "qwen3moe")
	randomModel(t, models, "llama")
	poison(t, moe, filepath.Join(models, "nan.gguf"))
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("MODELS", models)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"fails": fails, "shape": shape, "cut": cut, "swap": swap, "named": named, "size": fileSize, "repeat": repeat,
			"flip": flip, "same": same,
		},
	})
}

// randomModel writes a small model of that family with random weights and a
// chat template, and returns its path.
func randomModel(t *testing.T, dir, family string) string {
	t.Helper()
	path := filepath.Join(dir, family+".gguf")
	require.NoError(t, os.WriteFile(path, modeltest.Bytes(t, synth.Tiny(family), "Q8_0", 1), 0o600))
	return path
}

// poison copies a model with a NaN among its weights.
func poison(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	require.NoError(t, err)
	norm, ok := modeltest.Open(t, b).W.Tensor("blk.0.attn_norm.weight")
	require.True(t, ok)
	binary.LittleEndian.PutUint32(b[norm.Range.Off:], math.Float32bits(float32(math.NaN())))
	require.NoError(t, os.WriteFile(to, b, 0o600))
}
