package model_test

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/lite-llm/lite/internal/model"
)

// build builds a model without its weights, if it can be.
func build(src model.Source) {
	m, err := model.Build(src, nil)
	if err != nil {
		return
	}
	for i := range m.Sets {
		m.Bound(&m.Sets[i])
	}
	m.KVShapes()
	m.Scratch(64, 2)
}

// FuzzBuild damages two numbers of a description at once.
func FuzzBuild(f *testing.F) {
	f.Add(uint8(0), uint8(1), uint64(0), uint8(7), uint64(1)<<40)
	f.Add(uint8(3), uint8(9), uint64(16), uint8(2), uint64(8))
	f.Add(uint8(8), uint8(0), uint64(1)<<24, uint8(5), uint64(1)<<24)
	names := slices.Sorted(maps.Keys(variants))
	f.Fuzz(func(t *testing.T, variant, key1 uint8, n1 uint64, key2 uint8, n2 uint64) {
		v := variants[names[int(variant)%len(names)]]
		d := describe(t, v.family, v.change)
		keys := keysOf(d)
		for i, k := range []uint8{key1, key2} {
			key, n := keys[int(k)%len(keys)], []uint64{n1, n2}[i]
			switch old := d.keys[key].(type) {
			case uint32, uint64:
				d.keys[key] = n
			case float32:
				d.keys[key] = math.Float32frombits(uint32(n))
			case []uint32:
				old = slices.Clone(old)
				old[n%uint64(len(old))] = uint32(n >> 8)
				d.keys[key] = old
			}
		}
		build(d.source(t))
	})
}
