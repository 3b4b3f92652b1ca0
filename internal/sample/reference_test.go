package sample

import (
	"math"
	"slices"

	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/vec"
)

// reference is rule 9 as docs/format/numerics-sampling.md has it, without a
// thought for time: every token is sorted and every noise computed. What it
// gives is what Next must give, bit for bit.
func reference(o Options, prompt []int32, logits []float32, position int, history []int32, generated int) (int32, error) {
	z := penalised(o, logits, history, generated)
	var ids []int32
	for id := range z {
		if math.IsNaN(float64(logits[id])) || logits[id] > math.MaxFloat32 {
			return 0, &LogitError{Position: position, Token: int32(id), Logit: logits[id]}
		}
		if o.Mask == nil || o.Mask.Allows(int32(id)) {
			ids = append(ids, int32(id))
		}
	}
	likelier := func(a, b int32) int {
		switch {
		case z[a] > z[b] || z[a] == z[b] && a < b:
			return -1
		case a == b:
			return 0
		}
		return 1
	}
	slices.SortFunc(ids, likelier)
	if len(ids) == 0 || z[ids[0]] < -math.MaxFloat32 {
		return 0, ErrNoToken
	}
	if z[ids[0]] > math.MaxFloat32 {
		return 0, &LogitError{Position: position, Token: ids[0], Logit: z[ids[0]]}
	}
	if o.Temperature == 0 || o.TopK == 1 {
		return ids[0], nil
	}
	top := z[ids[0]]
	for _, id := range ids {
		z[id] = (z[id] - top) / o.Temperature
	}
	slices.SortFunc(ids, likelier)
	if o.TopK > 0 {
		ids = ids[:min(o.TopK, len(ids))]
	}
	ids = nucleus(ids, z, o.TopP)
	won, most := int32(-1), float32(0)
	for _, id := range ids {
		if o.MinP > 0 && z[id] < vec.Log32(o.MinP) {
			continue
		}
		x := philox([4]uint32{uint32(position), uint32(id), 0, 0}, keyOf(o.Seed, prompt, o.Sample))[0]
		key := z[id] - vec.Log32(-vec.Log32((float32(x>>9)+0.5)/(1<<23)))
		if won < 0 || key > most || key == most && id < won {
			won, most = id, key
		}
	}
	return won, nil
}

// penalised is the logits after penalties and bias.
func penalised(o Options, logits []float32, history []int32, generated int) []float32 {
	z := slices.Clone(logits)
	last := o.RepeatLast
	if last == 0 {
		last = 64
	}
	if last < 0 || last > len(history) {
		last = len(history)
	}
	for id := range z {
		if o.RepeatPenalty != 0 && o.RepeatPenalty != 1 && slices.Contains(history[len(history)-last:], int32(id)) {
			if z[id] > 0 {
				z[id] /= o.RepeatPenalty
			} else {
				z[id] *= o.RepeatPenalty
			}
		}
		n := 0
		for _, h := range history[len(history)-generated:] {
			if h == int32(id) {
				n++
			}
		}
		if n > 0 && (o.FrequencyPenalty != 0 || o.PresencePenalty != 0) {
			z[id] -= float32(float32(n)*o.FrequencyPenalty) + o.PresencePenalty
		}
		if b, ok := o.Bias[int32(id)]; ok {
			z[id] += b
		}
	}
	return z
}

// nucleus is the shortest prefix of ids, which are sorted, that reaches p.
func nucleus(ids []int32, z []float32, p float32) []int32 {
	if p == 0 || p == 1 {
		return ids
	}
	ascending := slices.Sorted(slices.Values(ids))
	row := make([]float32, len(ascending))
	for i, id := range ascending {
		row[i] = z[id]
	}
	vec.For(kernel.Reference).Softmax(row, row)
	var sum float32
	for n, id := range ids {
		at, _ := slices.BinarySearch(ascending, id)
		if sum += row[at]; sum >= p {
			return ids[:n+1]
		}
	}
	return ids
}
