package synth

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/weights/gguf"
)

// TestWorkers holds that the bytes do not depend on the number of workers.
func TestWorkers(t *testing.T) {
	m, err := New(Tiny("olmoe"), Options{Mix: mixes[0], Seed: 7})
	require.NoError(t, err)
	var one, many bytes.Buffer
	require.NoError(t, gguf.Write(&one, m.kvs, m.infos, (&generator{model: m, workers: 1}).data))
	require.NoError(t, gguf.Write(&many, m.kvs, m.infos, (&generator{model: m, workers: 5}).data))
	require.Equal(t, one.Bytes(), many.Bytes())
}

// TestShapes describes every named shape; none may have a matrix that falls out
// of its mix for want of divisible rows, but for the two small models whose
// rows do that to the originals too.
func TestShapes(t *testing.T) {
	mix, err := ParseMix("Q4_K_M")
	require.NoError(t, err)
	for name, s := range shapes {
		m, err := New(s, Options{Mix: mix})
		require.NoError(t, err, name)
		for _, x := range m.infos {
			n, err := x.Bytes()
			require.NoError(t, err)
			require.Positive(t, n)
			if x.Type == quant.F16 {
				t.Errorf("%s: %s falls back to F16", name, x.Name)
			}
		}
	}
}

// TestFull reports a full disk.
func TestFull(t *testing.T) {
	m, err := New(Tiny("olmoe"), Options{Mix: mixes[0], Seed: 7})
	require.NoError(t, err)
	require.ErrorIs(t, m.Write(full{}), io.ErrShortWrite)
}

// full takes the header and then nothing.
type full struct{}

func (full) Write(p []byte) (int, error) {
	if len(p) > 4 && string(p[:4]) == "GGUF" {
		return len(p), nil
	}
	return 0, io.ErrShortWrite
}
