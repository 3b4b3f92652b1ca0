package gguf

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights"
)

// sampleKVs has a value of every type.
func sampleKVs() []weights.KV {
	return []weights.KV{
		{Key: "general.architecture", Value: "llama"},
		{Key: "u8", Value: uint8(1)},
		{Key: "i8", Value: int8(-2)},
		{Key: "u16", Value: uint16(3)},
		{Key: "i16", Value: int16(-4)},
		{Key: "u32", Value: uint32(5)},
		{Key: "i32", Value: int32(-6)},
		{Key: "u64", Value: uint64(1 << 63)},
		{Key: "i64", Value: int64(-1 << 63)},
		{Key: "f32", Value: float32(0.5)},
		{Key: "f64", Value: -0.25},
		{Key: "yes", Value: true},
		{Key: "no", Value: false},
		{Key: "empty", Value: ""},
		{Key: "[u8]", Value: []uint8{1, 2}},
		{Key: "[i8]", Value: []int8{-1}},
		{Key: "[u16]", Value: []uint16{1}},
		{Key: "[i16]", Value: []int16{-1}},
		{Key: "[u32]", Value: []uint32{1}},
		{Key: "[i32]", Value: []int32{-1}},
		{Key: "[u64]", Value: []uint64{1 << 63}},
		{Key: "[i64]", Value: []int64{-1}},
		{Key: "[f32]", Value: []float32{1, -1}},
		{Key: "[f64]", Value: []float64{0.1}},
		{Key: "[bool]", Value: []bool{true, false}},
		{Key: "[string]", Value: []string{"a", "", "\xff not UTF-8"}},
		{Key: "[]", Value: []string{}},
		{Key: "[[]]", Value: []any{[]int32{1}, []string{"x"}, []any{[]bool{true}}}},
	}
}

// sampleInfos has types of every block size and sizes that need padding.
func sampleInfos() []Info {
	return []Info{
		{"token_embd.weight", quant.F32, []int{5, 3}},
		{"blk.0.ffn_up_exps.weight", quant.Q8_0, []int{32, 3, 2}},
		{"scalar", quant.BF16, []int{1}},
		{"output.weight", quant.Q4_K, []int{256, 2, 1, 1}},
	}
}

// fill writes bytes that name the tensor they belong to, in uneven pieces.
func fill(out io.Writer, t Info) error {
	n, err := t.Bytes()
	if err != nil {
		return err
	}
	data := content(t.Name, int(n))
	if _, err := out.Write(data[:n/3]); err != nil {
		return err
	}
	_, err = out.Write(data[n/3:])
	return err
}

func content(name string, n int) []byte {
	return bytes.Repeat([]byte("<"+name+">"), n/len(name)+1)[:n]
}

func encode(t testing.TB, kvs []weights.KV, infos []Info) []byte {
	return encodeWith(t, kvs, infos, fill)
}

func encodeWith(t testing.TB, kvs []weights.KV, infos []Info, data Data) []byte {
	var b bytes.Buffer
	require.NoError(t, Write(&b, kvs, infos, data))
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	for _, align := range []uint32{0, 8, 32, 4096, MaxAlignment} {
		t.Run(fmt.Sprintf("align=%d", align), func(t *testing.T) {
			kvs, infos := sampleKVs(), sampleInfos()
			if align != 0 {
				kvs = append(kvs, weights.KV{Key: KeyAlignment, Value: align})
			}
			data := encode(t, kvs, infos)
			m, err := Open(vfs.Mem{"m.gguf": data}, "m.gguf")
			require.NoError(t, err)
			require.Equal(t, []base.Object{{Name: "m.gguf", Size: int64(len(data))}}, m.Objects)

			var got []weights.KV
			for k, v := range m.Meta.All() {
				got = append(got, weights.KV{Key: k, Value: v})
			}
			require.Empty(t, cmp.Diff(kvs, got))

			i := 0
			for x := range m.All() {
				want := infos[i]
				i++
				require.Equal(t, want, Info{x.Name, x.Type, x.Dims})
				require.Zero(t, x.Range.Off%int64(max(align, 8)))
				at := data[x.Range.Off : x.Range.Off+x.Range.Len]
				require.Equal(t, content(x.Name, len(at)), at)
			}
			require.Equal(t, len(infos), i)
		})
	}
}

// TestEmpty reads a file with nothing in it, and one with keys only, whose
// padding may be missing.
func TestEmpty(t *testing.T) {
	for _, kvs := range [][]weights.KV{nil, sampleKVs()} {
		data := encode(t, kvs, nil)
		for _, cut := range []int{len(data), len(bytes.TrimRight(data, "\x00")) + 32} {
			if cut > len(data) {
				continue
			}
			m, err := Open(vfs.Mem{"m": data[:cut]}, "m")
			require.NoError(t, err)
			require.Equal(t, len(kvs), m.Meta.Len())
			require.Zero(t, m.Len())
		}
	}
}

// TestVersion2 reads a version 2, which is the same but for the number.
func TestVersion2(t *testing.T) {
	data := encode(t, sampleKVs(), sampleInfos())
	data[4] = 2
	_, err := Open(vfs.Mem{"m": data}, "m")
	require.NoError(t, err)
}

// TestLargeStrings reads strings around and beyond the size of the window.
func TestLargeStrings(t *testing.T) {
	var kvs []weights.KV
	for i, n := range []int{windowLen - 100, 200, windowLen, windowLen + 1, 5 * windowLen, 0, 7} {
		kvs = append(kvs, weights.KV{Key: fmt.Sprint("k", i), Value: string(content(strconv.Itoa(i), n))})
	}
	m, err := Open(vfs.Mem{"m": encode(t, kvs, nil)}, "m")
	require.NoError(t, err)
	for _, kv := range kvs {
		s, err := m.Meta.String(kv.Key)
		require.NoError(t, err)
		require.Equal(t, kv.Value, s, kv.Key)
	}
}

// TestHeaderAllocations holds that a vocabulary costs a few allocations, not one
// per token.
func TestHeaderAllocations(t *testing.T) {
	tokens := make([]string, 50_000)
	for i := range tokens {
		tokens[i] = fmt.Sprint("token", i)
	}
	data := encode(t, []weights.KV{{Key: "tokens", Value: tokens}}, nil)
	fsys := vfs.Mem{"m": data}
	n := testing.AllocsPerRun(5, func() {
		if _, err := Open(fsys, "m"); err != nil {
			t.Fatal(err)
		}
	})
	require.Less(t, n, 200.0)
}
