package lite

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
)

// size reads an argument that is a number of bytes.
func size(t *testing.T, d *datadriven.TestData, key string, fallback int64) int64 {
	t.Helper()
	if !d.HasArg(key) {
		return fallback
	}
	var text string
	d.ScanArgs(t, key, &text)
	n, err := base.ParseByteSize(text)
	require.NoError(t, err)
	return int64(n)
}

// number reads an argument that is a count, 0 when it is not there.
func number(t *testing.T, d *datadriven.TestData, key string) (n int) {
	t.Helper()
	if d.HasArg(key) {
		d.ScanArgs(t, key, &n)
	}
	return n
}

// TestPlan runs testdata/plan: what a model asks and a limit in, the division
// out.
//
//	model process=SIZE trunk=SIZE page=SIZE row=SIZE slots=N slot=SIZE [largest=SIZE] token=SLOTS length=N
//	plan limit=SIZE [context=N] [chunk=N]
func TestPlan(t *testing.T) {
	var d demand
	var length int
	datadriven.RunTest(t, "testdata/plan", func(t *testing.T, c *datadriven.TestData) string {
		switch c.Cmd {
		case "model":
			slot, slots := size(t, c, "slot", 0), int64(number(t, c, "slots"))
			row := size(t, c, "row", 0)
			d = demand{
				process: size(t, c, "process", 0), trunk: size(t, c, "trunk", 0), page: size(t, c, "page", 0),
				scratch: func(rows int) int64 { return int64(rows) * row },
				all:     slots * slot, smallest: slot, largest: size(t, c, "largest", slot), token: int64(number(t, c, "token")) * slot,
			}
			length = number(t, c, "length")
			return ""
		case "plan":
			limit := size(t, c, "limit", 0)
			asked := shape{number(t, c, "context"), number(t, c, "chunk")}
			p, err := plan(d, limit, sourceOption, asked, length, 2)
			if short, ok := errors.AsType[*MemoryError](err); ok {
				return refusal(t, d, short, asked, length)
			}
			require.NoError(t, err)
			require.LessOrEqual(t, p.Needs(), limit)
			require.LessOrEqual(t, p.Floor, upToMiB(limit)+margin)
			fits, err := plan(d, p.TokenLimit, sourceOption, shape{p.Context, p.Chunk}, length, 2)
			require.NoError(t, err)
			require.GreaterOrEqual(t, fits.Experts, min(d.token, d.all))
			return division(p)
		}
		t.Fatalf("unknown command %s", c.Cmd)
		return ""
	})
}

// refusal shows a refusal, whose number must be enough and not far too much.
func refusal(t *testing.T, d demand, short *MemoryError, asked shape, length int) string {
	t.Helper()
	p, err := plan(d, short.Need, sourceOption, asked, length, 2)
	require.NoError(t, err, "the number that was named is enough")
	require.Equal(t, short.Need, p.Floor)
	_, err = plan(d, short.Need-margin-1<<20, sourceOption, asked, length, 2)
	require.Error(t, err, "it is the least, but for the margin")
	return short.Error() + "\n"
}

func division(p *Plan) string {
	var b strings.Builder
	row := func(name string, n int64, more string) {
		fmt.Fprintf(&b, "%-8s %10s%s\n", name, base.ByteSize(n), more)
	}
	row("process", p.Process, "")
	row("trunk", p.Trunk, "")
	row("KV", p.KV, fmt.Sprintf("  %d positions", p.Context))
	row("scratch", p.Scratch, fmt.Sprintf("  chunks of %d", p.Chunk))
	row("experts", p.Experts, fmt.Sprintf("  of %s", base.ByteSize(p.AllExperts)))
	row("records", p.Records, "")
	row("floor", p.Floor, "")
	if p.Experts < p.Token {
		row("token", p.Token, fmt.Sprintf("  fits %s", base.ByteSize(p.TokenLimit)))
	}
	return b.String()
}

// TestPlanIsExact holds, for all limits around some, that what is planned never
// exceeds them and that experts get all that they can use.
func TestPlanIsExact(t *testing.T) {
	d := demand{
		process: 1 << 20, trunk: 3 << 20, page: 1 << 16, scratch: func(rows int) int64 { return int64(rows) << 10 },
		all: 999 * 12288, smallest: 12288, largest: 20480, token: 10 * 20480,
	}
	last := int64(0)
	for limit := int64(1 << 20); limit < 24<<20; limit += 977 {
		p, err := plan(d, limit, sourceOption, shape{512, 64}, 512, 1)
		if err != nil {
			require.Zero(t, last, "a larger limit is never worse")
			continue
		}
		require.LessOrEqual(t, p.Needs(), limit)
		require.GreaterOrEqual(t, p.Experts, last)
		require.GreaterOrEqual(t, p.Experts, 2*d.largest)
		if p.Experts < d.all {
			require.Less(t, limit-p.Needs(), int64(16), "no byte is idle")
		}
		last = p.Experts
	}
	require.Equal(t, d.all, last)
}

// TestPlanOfTheVeryLarge does not overflow: a capacity of 10^15 parameters, a
// limit without end, one expert of the size of a disk.
func TestPlanOfTheVeryLarge(t *testing.T) {
	d := demand{
		process: 1 << 25, trunk: 1 << 36, page: 1 << 24, scratch: func(rows int) int64 { return int64(rows) << 22 },
		all: 1 << 50, smallest: 1 << 22, largest: 1 << 40, token: 1 << 45,
	}
	for _, limit := range []int64{1 << 42, 1 << 50, 1 << 55, math.MaxInt64} {
		p, err := plan(d, limit, sourceOption, shape{}, 1<<20, 64)
		require.NoError(t, err)
		require.LessOrEqual(t, p.Needs(), limit)
		require.Positive(t, p.Experts)
	}
	_, err := plan(d, 1<<30, sourceOption, shape{context: maxContext, chunk: maxContext}, 1<<20, 64)
	var short *MemoryError
	require.ErrorAs(t, err, &short)
	require.Greater(t, short.Need, int64(1<<46))
}
