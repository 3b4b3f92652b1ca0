package kv_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/kernel/attn"
	"github.com/lite-llm/lite/internal/kv"
	"github.com/lite-llm/lite/internal/quant"
)

// load is element i of a block's keys or values.
func load(elem attn.Elem, b []byte, i int) float32 {
	switch elem {
	case attn.F32:
		return math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	case attn.F16:
		return quant.Half(b, 2*i)
	default:
		return quant.BFloatToFloat(binary.LittleEndian.Uint16(b[2*i:]))
	}
}

// plain is a sequence as a list: which version of each position was appended.
type plain []int

// FuzzSequences walks through reserving, appending, truncating and closing of
// three sequences on one pool, against lists. Each pair of bytes is a step.
func FuzzSequences(f *testing.F) {
	f.Add([]byte{0, 200, 1, 255, 64, 3, 2, 90, 128, 0, 0, 10, 193, 128, 1, 127})
	f.Add([]byte{0, 128, 0, 128, 0, 128, 1, 128, 2, 1, 64, 128, 65, 1, 2, 128, 128, 0, 2, 255})
	f.Fuzz(func(t *testing.T, steps []byte) {
		const pages = 4
		h := &heap{}
		pool := kv.NewPool(kv.NewLayout(attn.F16, shapes), pages, h.alloc)
		seqs := []*kv.Sequence{pool.NewSequence(), pool.NewSequence(), pool.NewSequence()}
		want := make([]plain, len(seqs))
		held := make([]int, len(seqs)) // pages
		for i := 0; i+1 < len(steps) && i < 80; i += 2 {
			who, n := int(steps[i])%len(seqs), int(steps[i+1])
			s := seqs[who]
			switch steps[i] >> 6 {
			case 0, 1: // go on by n positions
				reserve := kv.Pages(len(want[who]) + n)
				others := held[0] + held[1] + held[2] - held[who]
				err := s.Reserve(len(want[who]) + n)
				held[who] = max(held[who], min(reserve, pages-others))
				if reserve+others > pages {
					var full *kv.FullError
					require.ErrorAs(t, err, &full)
					break
				}
				require.NoError(t, err)
				for range n {
					put(s, len(want[who]), i)
					want[who] = append(want[who], i)
				}
				s.Advance(len(want[who]))
			case 2: // back to n
				s.Truncate(n)
				want[who] = want[who][:min(n, len(want[who]))]
				held[who] = min(held[who], kv.Pages(n))
			case 3:
				s.Close()
				want[who], held[who] = nil, 0
			}
			require.LessOrEqual(t, h.alive, pages)
		}
		for who, s := range seqs {
			require.Equal(t, len(want[who]), s.Len())
			for pos, version := range want[who] {
				requirePosition(t, s, pos, version)
			}
			s.Close()
		}
		require.NoError(t, pool.Close(h.free))
		require.Zero(t, h.alive)
	})
}
