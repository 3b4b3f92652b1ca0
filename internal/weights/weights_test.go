package weights

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/quant"
)

func TestModel(t *testing.T) {
	obj := base.Object{Name: "m", Size: 1000}
	a := Tensor{Name: "a", Type: quant.F32, Dims: []int{4, 6}, Range: base.Range{Object: obj, Off: 0, Len: 96}}
	b := Tensor{Name: "b", Type: quant.Q8_0, Dims: []int{32, 2, 3}, Range: base.Range{Object: obj, Off: 96, Len: 204}}
	m, err := New(Meta{}, []base.Object{obj}, []Tensor{b, a})
	require.NoError(t, err)
	require.Equal(t, 2, m.Len())
	require.Equal(t, []Tensor{b, a}, slices.Collect(m.All()))
	for x := range m.All() {
		require.Equal(t, "b", x.Name)
		break
	}
	got, ok := m.Tensor("a")
	require.True(t, ok)
	require.Equal(t, a, got)
	_, ok = m.Tensor("c")
	require.False(t, ok)

	_, err = New(Meta{}, nil, []Tensor{a, b, a})
	require.Equal(t, &DuplicateError{"tensor", "a"}, err)
}

func TestTensor(t *testing.T) {
	x := Tensor{Name: "x", Type: quant.Q8_0, Dims: []int{32, 2, 3}, Range: base.Range{Off: 96, Len: 204}}
	require.Equal(t, 192, x.Elements())
	require.Equal(t, 3, x.Dim(2))
	require.Equal(t, 1, x.Dim(3))
	part, err := x.Slice(2, 3)
	require.NoError(t, err)
	require.Equal(t, base.Range{Off: 96 + 136, Len: 68}, part)
	for _, bad := range [][2]int{{3, 3}, {-1, 3}, {0, 2}, {0, 0}, {0, -3}} {
		_, err := x.Slice(bad[0], bad[1])
		require.Error(t, err, "%v", bad)
	}
}

// meta has one key of every type, named by its Go type.
func meta(t *testing.T) Meta {
	m, err := NewMeta([]KV{
		{"uint8", uint8(200)},
		{"int8", int8(-5)},
		{"uint16", uint16(60000)},
		{"int16", int16(7)},
		{"uint32", uint32(1 << 31)},
		{"int32", int32(9)},
		{"uint64", uint64(1 << 62)},
		{"int64", int64(-1)},
		{"huge", uint64(math.MaxUint64)},
		{"float32", float32(1.5)},
		{"float64", 2.5},
		{"bool", true},
		{"string", "text"},
		{"[]string", []string{"a", "b"}},
		{"[]bool", []bool{true, false}},
		{"[]float32", []float32{1, 2}},
		{"[]float64", []float64{3, 4}},
		{"[]uint8", []uint8{1, 255}},
		{"[]int8", []int8{1, -1}},
		{"[]uint16", []uint16{1, 65535}},
		{"[]int16", []int16{1, -1}},
		{"[]uint32", []uint32{1, math.MaxUint32}},
		{"[]int32", []int32{1, -1}},
		{"[]uint64", []uint64{1, math.MaxInt64}},
		{"[]int64", []int64{1, -1}},
		{"[]huge", []uint64{1, math.MaxInt64 + 1}},
		{"nested", []any{[]int32{1}}},
	})
	require.NoError(t, err)
	return m
}

// TestGetters asks every getter for every key: it must give the value where it
// takes the type and a KeyTypeError everywhere else.
func TestGetters(t *testing.T) {
	m := meta(t)
	getters := map[string]struct {
		get  func(string) (any, error)
		want map[string]any
	}{
		"String": {
			func(k string) (any, error) { return m.String(k) },
			map[string]any{"string": "text"},
		},
		"Bool": {
			func(k string) (any, error) { return m.Bool(k) },
			map[string]any{"bool": true},
		},
		"Uint": {
			func(k string) (any, error) { return m.Uint(k) },
			map[string]any{
				"uint8": uint64(200), "uint16": uint64(60000), "int16": uint64(7), "uint32": uint64(1 << 31),
				"int32": uint64(9), "uint64": uint64(1 << 62), "huge": uint64(math.MaxUint64),
			},
		},
		"Int": {
			func(k string) (any, error) { return m.Int(k) },
			map[string]any{
				"uint8": int64(200), "int8": int64(-5), "uint16": int64(60000), "int16": int64(7),
				"uint32": int64(1 << 31), "int32": int64(9), "uint64": int64(1 << 62), "int64": int64(-1),
			},
		},
		"Float": {
			func(k string) (any, error) { return m.Float(k) },
			map[string]any{"float32": 1.5, "float64": 2.5},
		},
		"Strings": {
			func(k string) (any, error) { return m.Strings(k) },
			map[string]any{"[]string": []string{"a", "b"}},
		},
		"Bools": {
			func(k string) (any, error) { return m.Bools(k) },
			map[string]any{"[]bool": []bool{true, false}},
		},
		"Floats": {
			func(k string) (any, error) { return m.Floats(k) },
			map[string]any{"[]float32": []float32{1, 2}, "[]float64": []float32{3, 4}},
		},
		"Ints": {
			func(k string) (any, error) { return m.Ints(k) },
			map[string]any{
				"[]uint8": []int64{1, 255}, "[]int8": []int64{1, -1}, "[]uint16": []int64{1, 65535},
				"[]int16": []int64{1, -1}, "[]uint32": []int64{1, math.MaxUint32}, "[]int32": []int64{1, -1},
				"[]uint64": []int64{1, math.MaxInt64}, "[]int64": []int64{1, -1},
			},
		},
	}
	for name, g := range getters {
		t.Run(name, func(t *testing.T) {
			for key := range m.Keys() {
				v, err := g.get(key)
				if want, ok := g.want[key]; ok {
					require.NoError(t, err, key)
					require.Equal(t, want, v, key)
					continue
				}
				var wrong *KeyTypeError
				require.ErrorAs(t, err, &wrong, key)
				require.Equal(t, key, wrong.Key)
				require.NotEmpty(t, wrong.Have)
			}
			_, err := g.get("absent")
			require.Equal(t, &MissingKeyError{"absent"}, err)
		})
	}
}

func TestOr(t *testing.T) {
	m := meta(t)
	v, err := Or(m.Uint, "int32", 5)
	require.NoError(t, err)
	require.EqualValues(t, 9, v)
	v, err = Or(m.Uint, "absent", 5)
	require.NoError(t, err)
	require.EqualValues(t, 5, v)
	_, err = Or(m.Uint, "string", 5)
	var wrong *KeyTypeError
	require.ErrorAs(t, err, &wrong, "a wrong type is not a missing key")
}

func TestKeys(t *testing.T) {
	m, err := NewMeta([]KV{{"z", "1"}, {"a", uint8(2)}})
	require.NoError(t, err)
	require.Equal(t, []string{"z", "a"}, slices.Collect(m.Keys()))
	require.Equal(t, 2, m.Len())
	require.True(t, m.Has("a"))
	require.False(t, m.Has("b"))
	for k, v := range m.All() {
		require.Equal(t, "z", k)
		require.Equal(t, "1", v)
		break
	}
	_, err = NewMeta([]KV{{"a", "1"}, {"b", "2"}, {"a", "3"}})
	require.Equal(t, &DuplicateError{"key", "a"}, err)
	require.False(t, Meta{}.Has("a"), "the zero value has no keys")
}

func TestErrorTexts(t *testing.T) {
	m := meta(t)
	for _, c := range []struct {
		err  func() error
		want string
	}{
		{func() error { _, err := m.Uint("a.b"); return err }, `the model's metadata has no key "a.b"`},
		{func() error { _, err := m.Uint("int64"); return err }, `the model's metadata key "int64" must be an integer of at least 0, but is -1`},
		{func() error { _, err := m.Strings("string"); return err }, `the model's metadata key "string" must be an array of strings, but is string`},
		{func() error { _, err := m.Ints("nested"); return err }, `the model's metadata key "nested" must be an array of integers, but is an array of arrays`},
		{func() error { _, err := m.Int("huge"); return err }, `the model's metadata key "huge" must be an integer that fits 63 bits, but is uint64 18446744073709551615`},
	} {
		require.EqualError(t, c.err(), c.want)
	}
}
