package dram_test

import (
	"testing"

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
