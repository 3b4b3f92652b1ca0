// Package oracle reads the results of an independent engine that Lite is held
// to. The files are not part of the project: LITE_ORACLE names their
// directory, ../shared/oracle beside the project's root by default. Where they
// are absent, tests say so and the project's own testdata carries them.
package oracle

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
)

// Dir returns the oracle's directory, and false when it is not there. root is
// the way from the caller's directory to the project's root.
func Dir(root string) (string, bool) {
	dir := os.Getenv("LITE_ORACLE")
	if dir == "" {
		dir = filepath.Join(root, "..", "shared", "oracle")
	}
	_, err := os.Stat(filepath.Join(dir, "golden"))
	return dir, err == nil
}

// Golden is what the engine computed for one model.
type Golden struct {
	Vocab     int                    `json:"n_vocab"`
	Layers    int                    `json:"n_layer"`
	Dim       int                    `json:"n_embd"`
	Tokens    []int32                `json:"tokens"`
	Argmax    []int32                `json:"argmax"`
	Greedy    []int32                `json:"greedy"`
	GreedyGap []float64              `json:"greedy_gap"`
	Experts   map[string][][]int     `json:"experts"` // per layer and token
	Weights   map[string][][]float64 `json:"weights"`
	Logits    []float32              `json:"-"` // [token][vocab]
	// Hidden is the residual stream after each layer at the last position:
	// [layer][dim].
	Hidden []float32 `json:"-"`
}

// Load reads golden/NAME.
func Load(dir, name string) (*Golden, error) {
	text, err := os.ReadFile(filepath.Join(dir, "golden", name+".json"))
	if err != nil {
		return nil, err
	}
	g := &Golden{}
	if err := json.Unmarshal(text, g); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if g.Logits, err = values(dir, name+".logits.f32", len(g.Tokens)*g.Vocab); err != nil {
		return nil, err
	}
	g.Hidden, err = values(dir, name+".hidden.f32", g.Layers*g.Dim)
	return g, err
}

// values reads n values from golden/FILE.
func values(dir, file string, n int) ([]float32, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "golden", file))
	if err != nil {
		return nil, err
	}
	if len(raw) != 4*n {
		return nil, fmt.Errorf("%s has %d bytes, want %d values", file, len(raw), n)
	}
	return Floats(raw), nil
}

// Floats decodes little-endian float32 values.
func Floats(raw []byte) []float32 {
	out := make([]float32, len(raw)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out
}

// RMS is the root mean square of the difference of a and b, relative to the
// root mean square of b.
func RMS(a, b []float32) float64 {
	var diff, ref float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		diff += d * d
		ref += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(diff / ref)
}
