package split_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/dram"
	"github.com/lite-llm/lite/internal/rung/rungtest"
	"github.com/lite-llm/lite/internal/rung/split"
)

func TestConformance(t *testing.T) {
	rungtest.Run(t, func(_ *testing.T, data []byte) (rung.Rung, base.Object) {
		r := split.New("object", dram.New(nil))
		r.Set("a/", dram.New(map[string][]byte{"a/b": data}))
		return r, base.Object{Name: "a/b", Size: int64(len(data))}
	})
}

func TestRoutes(t *testing.T) {
	here := func(text string) rung.Rung {
		return dram.New(map[string][]byte{"tiers/a/x": []byte(text), "trunk": []byte(text)})
	}
	r := split.New("object", here("0"))
	read := func(name string) string {
		p := make([]byte, 1)
		require.NoError(t, r.ReadAt(context.Background(), base.Object{Name: name, Size: 1}, p, 0))
		return string(p)
	}
	require.Equal(t, "0", read("tiers/a/x"))
	r.Set("tiers/a/", here("1"))
	r.Set("tiers/b/", here("2"))
	require.Equal(t, "1", read("tiers/a/x"))
	require.Equal(t, "0", read("trunk"))
	r.Set("tiers/a/", here("3"))
	require.Equal(t, "3", read("tiers/a/x"), "the last word counts")
}
