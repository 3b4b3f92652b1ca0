package dram_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/dram"
	"github.com/lite-llm/lite/internal/rung/rungtest"
)

func TestConformance(t *testing.T) {
	rungtest.Run(t, func(_ *testing.T, data []byte) (rung.Rung, base.Object) {
		return dram.New(map[string][]byte{"a": data}), base.Object{Name: "a", Size: int64(len(data))}
	})
}

// TestOtherBytes holds that a description of other bytes is not served.
func TestOtherBytes(t *testing.T) {
	r := dram.New(map[string][]byte{"a": make([]byte, 10)})
	_, err := r.View(base.Range{Object: base.Object{Name: "a", Size: 11}, Len: 1})
	require.ErrorIs(t, err, rung.ErrChanged)
	require.ErrorIs(t, r.ReadAt(t.Context(), base.Object{Name: "a", Size: 11}, make([]byte, 1), 0), rung.ErrChanged)
}
