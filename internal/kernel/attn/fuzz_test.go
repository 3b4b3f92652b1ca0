package attn

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/lite-llm/lite/internal/kernel"
)

// FuzzImplementationsAgree takes the bits of queries, keys and values from the
// fuzzer: infinities, NaNs and subnormals occur.
func FuzzImplementationsAgree(f *testing.F) {
	f.Add(uint8(0), uint8(8), uint8(8), uint8(1), uint16(1), []byte{0, 0, 128, 63})
	f.Add(uint8(1), uint8(20), uint8(12), uint8(7), uint16(300), []byte("queries, keys, values"))
	f.Add(uint8(2), uint8(64), uint8(72), uint8(4), uint16(129), []byte{0, 0, 128, 255, 1, 0, 0, 0, 0, 0, 192, 63})
	f.Fuzz(func(t *testing.T, elem, dk, dv, n uint8, keys uint16, data []byte) {
		e, dims, queries, last := Elem(elem%3), [2]int{1 + int(dk)%80, 1 + int(dv)%80}, 1+int(n)%9, 1+int(keys)%300
		next := normal(uint64(keys))
		if len(data) >= 4 {
			next = bits(data)
		}
		c := newCache(next, e, dims[0], dims[1], last)
		q := row(next, queries*dims[0])
		lens := make([]int, queries)
		for i := range lens {
			lens[i] = 1 + (last+i*int(n))%last
		}
		var s Scratch
		want := make([]float32, queries*dims[1])
		For(kernel.Reference).Attend(want, dims[1], q, dims[0], queries, c.kv, lens, 0.3, &s)
		for _, impl := range kernel.Available()[1:] {
			got := make([]float32, len(want))
			For(impl).Attend(got, dims[1], q, dims[0], queries, c.kv, lens, 0.3, &s)
			requireBits(t, want, got, impl, e, dims, lens)
		}
	})
}

// bits repeats the float32 that data holds, each time turned by one bit more,
// so that few bytes give many values.
func bits(data []byte) func() float32 {
	i, turn := 0, uint32(0)
	return func() float32 {
		if i+4 > len(data) {
			i, turn = 0, turn+1
		}
		v := binary.LittleEndian.Uint32(data[i:]) ^ turn<<9
		i += 4
		return math.Float32frombits(v)
	}
}
