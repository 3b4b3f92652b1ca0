package expert

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/memory"
)

// TestSlotsKeepTheirBudget takes and gives back slots of three sizes: the
// budget holds to the byte, nothing is refused that fits, and no slot is given
// out twice.
func TestSlotsKeepTheirBudget(t *testing.T) {
	before := memory.InUse()
	page := int64(memory.PageSize())
	sizes := []int64{page, 3 * page, 7 * page}
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := slots{budget: page * (8 + r.Int64N(40))}
		var out [][]byte
		for range 400 {
			lent := int64(0)
			for i, slot := range out {
				require.EqualValues(t, i, slot[0])
				require.EqualValues(t, i, slot[len(slot)-1])
				lent += int64(len(slot))
			}
			if r.IntN(3) > 0 && len(out) < 200 {
				size := sizes[r.IntN(len(sizes))]
				slot, err := s.take(size)
				require.NoError(t, err)
				require.Equal(t, lent+size <= s.budget, slot != nil, "spare slots are room")
				if slot != nil {
					require.Len(t, slot, int(size))
					slot[0], slot[size-1] = byte(len(out)), byte(len(out))
					out = append(out, slot)
				}
			} else if last := len(out) - 1; last >= 0 {
				s.put(out[last])
				out = out[:last]
			}
			require.LessOrEqual(t, s.used, s.budget)
			require.Equal(t, before+s.used, memory.InUse())
		}
		for _, slot := range out {
			s.put(slot)
		}
		require.NoError(t, s.dropSpare())
		require.Zero(t, s.used)
		require.Zero(t, s.count)
		require.Equal(t, before, memory.InUse())
	}
}

// TestSlotsReportTheSystem holds that memory which the system refuses is an
// error and changes nothing.
func TestSlotsReportTheSystem(t *testing.T) {
	page := int64(memory.PageSize())
	s := slots{budget: 1 << 61}
	_, err := s.take(1 << 60)
	var ae *memory.AllocError
	require.ErrorAs(t, err, &ae)
	require.Zero(t, s.used)

	slot, err := s.take(page)
	require.NoError(t, err)
	s.put(slot)
	s.budget = 1<<60 + page - 1 // only the spare slot's change of size would fit
	_, err = s.take(1 << 60)
	require.ErrorAs(t, err, &ae)
	require.Equal(t, page, s.used, "the spare slot is still there")
	slot, err = s.take(page)
	require.NoError(t, err)
	s.put(slot)
	require.NoError(t, s.dropSpare())
}
