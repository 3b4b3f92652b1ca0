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
	Tokens    []int32                `json:"tokens"`
	Argmax    []int32                `json:"argmax"`
	Greedy    []int32                `json:"greedy"`
	GreedyGap []float64              `json:"greedy_gap"`
	Experts   map[string][][]int     `json:"experts"` // per layer and token
	Weights   map[string][][]float64 `json:"weights"`
	Logits    []float32              `json:"-"` // [token][vocab]
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
	raw, err := os.ReadFile(filepath.Join(dir, "golden", name+".logits.f32"))
	if err != nil {
		return nil, err
	}
	g.Logits = Floats(raw)
	if len(g.Logits) != len(g.Tokens)*g.Vocab {
		return nil, fmt.Errorf("%s: %d logits for %d tokens of %d", name, len(g.Logits), len(g.Tokens), g.Vocab)
	}
	return g, nil
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
