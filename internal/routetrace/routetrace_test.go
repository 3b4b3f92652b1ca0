package routetrace

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/tierplan"
)

func sample(t testing.TB) (string, tierplan.Usage) {
	t.Helper()
	u := tierplan.Usage{Chosen: [][]uint64{{1, 1}, {}, {2, 0}}, Mass: [][]float64{{0.25, 1}, {}, {1.5, 0}}}
	var b bytes.Buffer
	w, err := NewWriter(&b, Header{Model: tierplan.Model{Name: "m", Architecture: "olmoe", Layers: 3, Experts: 2, SHA256: "00"}, TierSet: "full", Window: 8})
	require.NoError(t, err)
	require.NoError(t, w.Token(&Token{Window: 0, Position: 1, Experts: [][]int64{{0}, {}, {0}}, Weights: [][]float32{{0.25}, {}, {0.5}}}))
	require.NoError(t, w.Close(u, End{Tokens: 2, TextSHA256: "ff"}))
	return b.String(), u
}

func TestRead(t *testing.T) {
	text, u := sample(t)
	var tokens []Token
	got, err := Read(strings.NewReader(text), func(x *Token) error {
		tokens = append(tokens, *x)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, u, got.Usage)
	require.Equal(t, End{Tokens: 2, TextSHA256: "ff"}, got.End)
	require.Equal(t, 8, got.Window)
	require.Equal(t, []Token{{0, 1, [][]int64{{0}, {}, {0}}, [][]float32{{0.25}, {}, {0.5}}}}, tokens)
	_, err = Read(strings.NewReader(text), nil)
	require.NoError(t, err)
	stop := errors.New("stop")
	_, err = Read(strings.NewReader(text), func(*Token) error { return stop })
	require.ErrorIs(t, err, stop)
}

// broken are changes to a trace, with what is said of them.
var broken = []struct{ old, new, want string }{
	{`"version":1`, `"version":2`, "line 1: version 2; this program reads version 1"},
	{`"layers":3`, `"layers":0`, "a model of 0 layers: want 1 to 4096"},
	{`"layers":3`, `"layers":5000`, "a model of 5000 layers"},
	{`"layers":3`, `"layers":4`, "line 2: a token of 3 and 3 layers: want 4"},
	{`"layers":3`, `"layers":3,"layers":3`, "duplicate object member name"},
	{`{"trace"`, `{"text":1,"trace"`, "unknown object member name"},
	{`{"token"`, `{"layer":{"layer":0},"token"`, "line 2: " + ErrOrder.Error()},
	{`{"layer":{"layer":0`, `{"layer":{"layer":1`, "line 3: " + ErrOrder.Error()},
	{`{"layer":{"layer":0`, `{}` + "\n" + `{"layer":{"layer":0`, "line 3: " + ErrOrder.Error()},
	{`{"end"`, `{"layer":{"layer":3,"chosen":[],"weight_mass":[]}}` + "\n" + `{"end"`, "line 6: " + ErrOrder.Error()},
	{`{"end"`, `{"token":{}}` + "\n" + `{"end"`, "line 6: " + ErrOrder.Error()},
	{`{"end"`, `{"trace":{}}` + "\n" + `{"end"`, "line 6: " + ErrOrder.Error()},
	{`[1,1]`, `[1]`, "layer 0: 1 experts and 2 masses"},
	{`[1,1]`, `[1,3]`, "layer 0: expert 1 was chosen 3 times by 2 tokens"},
	{`[1,1]`, `[1,-1]`, "JSON number -1"},
	{`[0.25,1]`, `[-0.25,1]`, "layer 0: expert 0 has a weight mass of -0.25"},
	{`[0.25,1]`, `[1e999,1]`, "1e999"},
	{`"experts":2`, `"experts":1`, "layer 0 has 2 experts: more than the model's 1, or more than 4194304 in all"},
	{`[[0.25],[],[0.5]]`, `[[0.25],[],[]]`, "layer 2: 1 experts and 0 weights"},
	{`"m"`, `"` + strings.Repeat("m", MaxLine) + `"`, ErrLong.Error()},
}

func TestTracesAreStrict(t *testing.T) {
	text, _ := sample(t)
	for _, b := range broken {
		require.Contains(t, text, b.old)
		_, err := Read(strings.NewReader(strings.Replace(text, b.old, b.new, 1)), nil)
		require.ErrorAs(t, err, new(*FormatError), b.new[:min(80, len(b.new))])
		require.ErrorContains(t, err, b.want)
	}
	lines := strings.SplitAfter(text, "\n")
	for n := range len(lines) - 1 {
		_, err := Read(strings.NewReader(strings.Join(lines[:n], "")), nil)
		require.ErrorIs(t, err, ErrCut, "of %d lines", n)
	}
	_, err := Read(strings.NewReader(text+text), nil)
	require.ErrorIs(t, err, ErrOrder)
	half := `{"end":{"tokens":0,"text_sha256":""}}`
	_, err = Read(strings.NewReader(lines[0]+lines[2]+half), nil)
	require.ErrorContains(t, err, "line 3: the trace has 1 of 3 layers")
}

// FuzzRead: whatever is read is refused or has a usage of every layer.
func FuzzRead(f *testing.F) {
	text, _ := sample(f)
	f.Add([]byte(text))
	for _, b := range broken {
		if bad := strings.Replace(text, b.old, b.new, 1); len(bad) < 4096 {
			f.Add([]byte(bad))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := Read(bytes.NewReader(raw), func(x *Token) error {
			require.Len(t, x.Weights, len(x.Experts))
			return nil
		})
		if err != nil {
			return
		}
		require.Len(t, got.Usage.Chosen, got.Model.Layers)
		require.Len(t, got.Usage.Mass, got.Model.Layers)
		var b bytes.Buffer
		w, err := NewWriter(&b, got.Header)
		require.NoError(t, err)
		require.NoError(t, w.Close(got.Usage, got.End))
		again, err := Read(&b, nil)
		require.NoError(t, err)
		require.Equal(t, got.End, again.End)
	})
}
