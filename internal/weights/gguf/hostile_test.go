package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/vfs/errorfs"
	"github.com/lite-llm/lite/internal/weights"
)

// raw builds files that the Writer would not write.
type raw struct{ b []byte }

func (r *raw) u8(v uint8) *raw   { r.b = append(r.b, v); return r }
func (r *raw) u32(v uint32) *raw { r.b = binary.LittleEndian.AppendUint32(r.b, v); return r }
func (r *raw) u64(v uint64) *raw { r.b = binary.LittleEndian.AppendUint64(r.b, v); return r }
func (r *raw) str(s string) *raw { r.u64(uint64(len(s))); r.b = append(r.b, s...); return r }

func (r *raw) zeros(n int) *raw { r.b = append(r.b, make([]byte, n)...); return r }

// pad aligns to 32 bytes.
func (r *raw) pad() *raw { return r.zeros(-len(r.b) & 31) }

// file begins a file with these counts.
func file(tensors, keys uint64) *raw {
	return (&raw{[]byte("GGUF")}).u32(3).u64(tensors).u64(keys)
}

// f32 adds the description of an F32 tensor.
func (r *raw) f32(name string, offset uint64, dims ...uint64) *raw {
	return r.tensor(name, 0, offset, dims...)
}

func (r *raw) tensor(name string, typ uint32, offset uint64, dims ...uint64) *raw {
	r.str(name).u32(uint32(len(dims)))
	for _, d := range dims {
		r.u64(d)
	}
	return r.u32(typ).u64(offset)
}

// TestRefuses gives the exact line for every way in which a file can be wrong.
func TestRefuses(t *testing.T) {
	key := func(n uint64) *raw { return file(0, n).str("k") }
	nested := func(depth int) *raw {
		r := key(1).u32(typeArray)
		for range depth - 1 {
			r.u32(typeArray).u64(1)
		}
		return r.u32(typeU8).u64(0)
	}
	for name, c := range map[string]struct {
		file *raw
		want string
	}{
		"empty":           {&raw{}, "is empty"},
		"text":            {&raw{[]byte("<html>")}, `is not a GGUF file (starts with "<htm")`},
		"one byte":        {&raw{[]byte("G")}, `is not a GGUF file (starts with "G")`},
		"magic only":      {&raw{[]byte("GGUF")}, "ends at byte 4, the header needs 8"},
		"version 1":       {(&raw{[]byte("GGUF")}).u32(1).zeros(16), "is a GGUF file of version 1, which nothing writes any more; convert it to version 3"},
		"version 4":       {(&raw{[]byte("GGUF")}).u32(4).zeros(16), "is a GGUF file of version 4; versions 2 and 3 are read"},
		"big-endian":      {(&raw{[]byte("GGUF")}).u32(3 << 24).zeros(16), "is a big-endian GGUF file; only little-endian ones are read, convert it"},
		"tensors":         {file(MaxTensors+1, 0), "declares 262145 tensors in the file, the limit is 262144"},
		"tensors, 2^64-1": {file(math.MaxUint64, 0), "declares 18446744073709551615 tensors in the file, the limit is 262144"},
		"keys":            {file(0, MaxKeys+1), "declares 65537 metadata keys in the file, the limit is 65536"},
		"too few bytes":   {file(10, 0), "ends at byte 24, the file needs more for its 10 tensors"},

		"empty key":     {file(0, 1).str("").zeros(40), "has \"\" where key 1 of 1 should be, which is not a printable ASCII name"},
		"control key":   {file(0, 1).str("\x1b[2J").zeros(40), `has "\x1b[2J" where key 1 of 1 should be, which is not a printable ASCII name`},
		"long key":      {file(0, 1).u64(1 << 16).zeros(1 << 17), "declares 65536 bytes in key 1 of 1, the limit is 65535"},
		"no value":      {key(1).u32(typeU64).u32(1), `ends at byte 41, the value of key "k" needs 45`},
		"value type":    {key(1).u32(13).zeros(40), `has the unknown value type 13 in the value of key "k"`},
		"boolean":       {key(1).u32(typeBool).u8(2), `has the boolean 2 in the value of key "k", it must be 0 or 1`},
		"string":        {key(1).u32(typeString).u64(math.MaxUint64), `declares 18446744073709551615 bytes in the value of key "k", the limit is 67108864`},
		"short string":  {key(1).u32(typeString).u64(9).zeros(8), `ends at byte 53, the value of key "k" needs more for its 9 bytes`},
		"element type":  {key(1).u32(typeArray).u32(99).u64(0), `has the unknown element type 99 in the value of key "k"`},
		"long array":    {key(1).u32(typeArray).u32(typeU8).u64(MaxArrayLen + 1), `declares 16777217 elements in the value of key "k", the limit is 16777216`},
		"short array":   {key(1).u32(typeArray).u32(typeU64).u64(3).zeros(23), `ends at byte 72, the value of key "k" needs more for its 3 elements`},
		"deep array":    {nested(MaxArrayDepth + 1), `has arrays nested deeper than 4 in the value of key "k"`},
		"duplicate key": {file(0, 2).str("k").u32(typeU8).u8(1).str("k").u32(typeU8).u8(2).zeros(9), `has the key "k" twice`},

		"alignment 0":    {file(0, 1).str(KeyAlignment).u32(typeU32).u32(0), "has general.alignment 0, which is not a power of two from 8 to 1048576"},
		"alignment 24":   {file(0, 1).str(KeyAlignment).u32(typeU32).u32(24), "has general.alignment 24, which is not a power of two from 8 to 1048576"},
		"alignment 2^31": {file(0, 1).str(KeyAlignment).u32(typeU32).u32(1 << 31), "has general.alignment 2147483648, which is not a power of two from 8 to 1048576"},
		"alignment text": {file(0, 1).str(KeyAlignment).u32(typeString).str("32"), `cannot be laid out: the model's metadata key "general.alignment" must be an integer, but is string`},

		"long name":        {file(1, 0).u64(65).zeros(99), "declares 65 bytes in the description of tensor 1 of 1, the limit is 64"},
		"no dimensions":    {file(1, 0).f32("t", 0).zeros(64), "declares 0 dimensions for tensor t, it must be 1 to 4"},
		"five dimensions":  {file(1, 0).f32("t", 0, 1, 1, 1, 1, 1), "declares 5 dimensions for tensor t, it must be 1 to 4"},
		"zero dimension":   {file(1, 0).f32("t", 0, 4, 0), "declares tensor t with dimensions [4 0] as F32: a dimension is 0"},
		"product":          {file(1, 0).f32("t", 0, 1<<32, 1<<32), "declares tensor t with dimensions [4294967296 4294967296] as F32: the number of values does not fit 63 bits"},
		"bytes":            {file(1, 0).f32("t", 0, 1<<62), "declares tensor t with dimensions [4611686018427387904] as F32: the number of values does not fit 63 bits"},
		"part of a block":  {file(1, 0).tensor("t", 8, 0, 33, 32), "declares tensor t with dimensions [33 32] as Q8_0: the first dimension is not a multiple of a block's 32 values"},
		"duplicate tensor": {file(2, 0).f32("t", 0, 1).f32("t", 32, 1).pad().zeros(64), `has the tensor "t" twice`},

		"offset":       {file(1, 0).f32("t", 4, 1).pad().zeros(32), "has tensor t at offset 4, which is not a multiple of its alignment 32"},
		"beyond":       {file(1, 0).f32("t", 0, 9).pad().zeros(32), "ends at byte 96, tensor t needs 100"},
		"offset wraps": {file(1, 0).f32("t", math.MaxUint64-31, 9).pad().zeros(32), "ends at byte 96, tensor t needs more than 2^64"},
		"no data":      {file(1, 0).f32("t", 0, 1), "ends at byte 57, tensor t needs 68"},
		"overlap":      {file(2, 0).f32("b", 32, 8).f32("a", 0, 9).pad().zeros(96), "has tensor b at byte 128, inside tensor a, which ends at byte 132"},
		"same place":   {file(2, 0).f32("a", 0, 8).f32("b", 0, 8).pad().zeros(96), "has tensor b at byte 96, inside tensor a, which ends at byte 128"},
		"gap": {
			file(1, 0).f32("t", 2<<20, 8).pad().zeros(2<<20 + 32),
			"has 2097152 unused bytes between the header and tensor t, the limit is 1048576",
		},
		"tail":         {file(1, 0).f32("t", 0, 8).pad().zeros(32).u8(0).u8(1), "has 2 bytes after its last tensor, which are not padding"},
		"long tail":    {file(1, 0).f32("t", 0, 8).pad().zeros(32 + MaxGap + 1), "has 1048577 bytes after its last tensor, which are not padding"},
		"tail of none": {file(0, 0).zeros(8).u8('P'), "has 9 bytes after its last tensor, which are not padding"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(vfs.Mem{"m.gguf": c.file.b}, "m.gguf")
			var bad *FormatError
			require.ErrorAs(t, err, &bad)
			require.Equal(t, FormatError{"m.gguf", c.want}, *bad)
			require.Equal(t, "m.gguf "+c.want, err.Error())
		})
	}
}

// TestAccepts reads what is unusual and allowed.
func TestAccepts(t *testing.T) {
	for name, data := range map[string]*raw{
		"zero tail":     file(1, 0).f32("t", 0, 8).pad().zeros(32 + 100),
		"out of order":  file(2, 0).f32("b", 32, 8).f32("a", 0, 8).pad().zeros(64),
		"gap":           file(1, 0).f32("t", 64, 8).pad().zeros(96),
		"unpadded end":  file(1, 0).f32("t", 0, 1).pad().zeros(4),
		"known foreign": file(2, 0).tensor("a", 21, 0, 256).tensor("b", 0, 128, 8).pad().zeros(160),
		"unknown type":  file(2, 0).tensor("a", 77, 0, 7).tensor("b", 0, 64, 8).pad().zeros(96),
		"unknown last":  file(2, 0).tensor("a", 77, 32, 7).tensor("b", 0, 0, 8).pad().zeros(99),
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Open(vfs.Mem{"m": data.b}, "m")
			require.NoError(t, err)
			checkModel(t, m)
		})
	}
}

// TestUnknownType gives the bytes up to the next tensor to one whose type is not
// known even by size.
func TestUnknownType(t *testing.T) {
	m, err := Open(vfs.Mem{"m": file(2, 0).tensor("a", 77, 0, 7).tensor("b", 0, 64, 8).pad().zeros(96).b}, "m")
	require.NoError(t, err)
	a, ok := m.Tensor("a")
	require.True(t, ok)
	require.False(t, a.Type.Supported())
	require.EqualValues(t, 64, a.Range.Len)
}

// checkModel holds what every model that Open returns must fulfil.
func checkModel(t testing.TB, m *weights.Model) {
	type span struct{ from, to int64 }
	var spans []span
	for x := range m.All() {
		require.NotEmpty(t, x.Dims)
		require.LessOrEqual(t, len(x.Dims), MaxDims)
		require.Positive(t, x.Elements())
		s := span{x.Range.Off, x.Range.Off + x.Range.Len}
		require.True(t, 0 < s.from && s.from <= s.to && s.to <= x.Range.Object.Size, "%v", x)
		for _, o := range spans {
			require.True(t, s.to <= o.from || o.to <= s.from, "%v overlaps", x)
		}
		spans = append(spans, s)
	}
}

// TestTruncated cuts a file at every byte. Each cut is seen, by a line that says
// where the file ends.
func TestTruncated(t *testing.T) {
	data := encode(t, sampleKVs(), sampleInfos())
	for n := 1; n < len(data); n++ {
		_, err := Open(vfs.Mem{"m": data[:n]}, "m")
		var bad *FormatError
		require.ErrorAs(t, err, &bad, "%d", n)
		if n >= 4 {
			require.Contains(t, bad.What, "ends at byte", "%d", n)
		}
	}
}

// TestFlipped inverts every bit of a file, one at a time. The file is refused or
// still describes tensors inside it, and never takes memory out of proportion.
func TestFlipped(t *testing.T) {
	data := encode(t, sampleKVs(), sampleInfos())
	refused := 0
	var before, after runtime.MemStats
	for bit := range 8 * len(data) {
		data[bit/8] ^= 1 << (bit % 8)
		runtime.ReadMemStats(&before)
		m, err := Open(vfs.Mem{"m": data}, "m")
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64*len(data)), "bit %d", bit)
		if err == nil {
			checkModel(t, m)
		} else {
			var bad *FormatError
			require.ErrorAs(t, err, &bad, "bit %d", bit)
			require.NotContains(t, err.Error(), "\n")
			refused++
		}
		data[bit/8] ^= 1 << (bit % 8)
	}
	require.Greater(t, refused, len(data), "most of a header's bits matter")
}

func TestNotFiles(t *testing.T) {
	_, err := Open(vfs.OS{}, t.TempDir())
	require.ErrorIs(t, err, vfs.ErrDirectory)
	_, err = Open(vfs.OS{}, "/nonexistent/m.gguf")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestReadErrors fails each read of a model in turn, and cuts each.
func TestReadErrors(t *testing.T) {
	kvs := append(sampleKVs(), weights.KV{Key: "long", Value: strings.Repeat("x", 3*windowLen)})
	inner := vfs.Mem{"m": append(encode(t, kvs, sampleInfos()), 0, 0, 0)}
	counting := errorfs.New(inner)
	_, err := Open(counting, "m")
	require.NoError(t, err)
	require.GreaterOrEqual(t, counting.Reads(), int64(3))
	for i := range counting.Reads() {
		_, err := Open(errorfs.New(inner, errorfs.Nth(i).Fail(syscall.EIO)), "m")
		require.ErrorIs(t, err, syscall.EIO)
		var bad *FormatError
		require.NotErrorAs(t, err, &bad, "a broken disk is not a broken file")

		_, err = Open(errorfs.New(inner, errorfs.Nth(i).Short(2)), "m")
		require.ErrorAs(t, err, &bad)
		require.Contains(t, bad.What, "was cut while it was read")
	}
}

// closing is an FS whose files fail to close.
type closing struct{ vfs.FS }

type closingFile struct{ vfs.File }

func (c closing) Open(name string) (vfs.File, error) {
	f, err := c.FS.Open(name)
	return closingFile{f}, err
}

func (closingFile) Close() error { return io.ErrClosedPipe }

func TestCloseError(t *testing.T) {
	_, err := Open(closing{vfs.Mem{"m": encode(t, nil, nil)}}, "m")
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

func TestSplitRefuses(t *testing.T) {
	name := func(i int) string { return PartPath("dir/m", i, 3) }
	patch := func(path, key string, value ...byte) func(vfs.Mem) {
		return func(m vfs.Mem) {
			at := bytes.Index(m[path], []byte(key)) + len(key) + 4
			copy(m[path][at:], value)
		}
	}
	for what, c := range map[string]struct {
		change func(vfs.Mem)
		open   string
		want   string
	}{
		"second part":   {nil, name(2), "dir/m-00002-of-00003.gguf is part 2 of 3; open the first, m-00001-of-00003.gguf"},
		"missing part":  {func(m vfs.Mem) { delete(m, name(3)) }, name(1), "part 3 of 3: open dir/m-00003-of-00003.gguf: file does not exist"},
		"renamed":       {func(m vfs.Mem) { m["m.gguf"] = m[name(1)] }, "m.gguf", "m.gguf is one of 3 parts, but is not named like one: …-00001-of-00003.gguf"},
		"other count":   {func(m vfs.Mem) { m[PartPath("m", 1, 4)] = m[name(1)] }, PartPath("m", 1, 4), "m-00001-of-00004.gguf is one of 3 parts, but is not named like one: …-00001-of-00003.gguf"},
		"swapped":       {func(m vfs.Mem) { m[name(2)], m[name(3)] = m[name(3)], m[name(2)] }, name(1), "dir/m-00002-of-00003.gguf says that it is part 3"},
		"count of part": {patch(name(2), keySplitCount, 4), name(1), "dir/m-00002-of-00003.gguf belongs to another split than the first part"},
		"tensors":       {patch(name(3), keySplitTensors, 9), name(1), "dir/m-00003-of-00003.gguf belongs to another split than the first part"},
		"total": {func(m vfs.Mem) {
			for i := range 3 {
				patch(name(i+1), keySplitTensors, 9)(m)
			}
		}, name(1), "dir/m-00001-of-00003.gguf declares 9 tensors in its 3 parts, which hold 4"},
		"too many": {patch(name(1), keySplitCount, 0xff, 0xff), name(1), "dir/m-00001-of-00003.gguf is split into 65535 files, the limit is 4096"},
		"truncated": {
			func(m vfs.Mem) { m[name(2)] = m[name(2)][:100] },
			name(1),
			"part 2 of 3: dir/m-00002-of-00003.gguf ends at byte 100, ",
		},
		"duplicate across": {func(m vfs.Mem) {
			m[name(2)] = bytes.Replace(m[name(2)], []byte("\x06\x00\x00\x00\x00\x00\x00\x00scalar"), []byte("\x06\x00\x00\x00\x00\x00\x00\x00common"), 1)
			m[name(3)] = bytes.Replace(m[name(3)], []byte("\x0d\x00\x00\x00\x00\x00\x00\x00output.weight"), []byte("\x06\x00\x00\x00\x00\x00\x00\x00common"), 1)
			m[name(3)] = append(m[name(3)], make([]byte, 64)...)
		}, name(1), `dir/m-00001-of-00003.gguf has the tensor "common" twice`},
		"type of count": {func(m vfs.Mem) {
			at := bytes.Index(m[name(1)], []byte(keySplitCount)) + len(keySplitCount)
			m[name(1)][at] = byte(typeI16)
			copy(m[name(1)][at+4:], []byte{0xff, 0xff})
		}, name(1), `dir/m-00001-of-00003.gguf cannot be joined with the other parts of its split: the model's metadata key "split.count" must be an integer of at least 0, but is -1`},
	} {
		t.Run(what, func(t *testing.T) {
			fsys := splitFiles(t)
			if c.change != nil {
				c.change(fsys)
			}
			_, err := Open(fsys, c.open)
			require.ErrorContains(t, err, c.want)
			var bad *FormatError
			require.True(t, errors.As(err, &bad) || errors.Is(err, fs.ErrNotExist))
		})
	}
}
