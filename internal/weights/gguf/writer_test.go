package gguf

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights"
)

func TestWriterRefuses(t *testing.T) {
	kv := func(k string, v any) []weights.KV { return []weights.KV{{Key: k, Value: v}} }
	one := func(name string, typ quant.Type, dims ...int) []Info { return []Info{{name, typ, dims}} }
	deep := any([]int32{1})
	for range MaxArrayDepth {
		deep = []any{deep}
	}
	for name, c := range map[string]struct {
		kvs   []weights.KV
		infos []Info
		want  string
	}{
		"type of a value":    {kv("a", 1), nil, "key a: a value of type int cannot be written"},
		"scalar in nested":   {kv("a", []any{"x"}), nil, "key a: an array of arrays holds a string"},
		"depth":              {kv("a", deep), nil, "nested deeper than 4"},
		"empty key":          {kv("", "x"), nil, `the key "" is not`},
		"control in key":     {kv("a\nb", "x"), nil, `the key "a\nb" is not`},
		"duplicate key":      {append(kv("a", "x"), kv("a", "x")...), nil, `has the key "a" twice`},
		"alignment":          {kv(KeyAlignment, uint32(24)), nil, "not a power of two"},
		"alignment type":     {kv(KeyAlignment, "32"), nil, "must be an integer"},
		"empty name":         {nil, one("", quant.F32, 1), `the tensor name "" is not`},
		"long name":          {nil, one(strings.Repeat("n", 64), quant.F32, 1), "is not 1 to 63"},
		"duplicate name":     {nil, append(one("a", quant.F32, 1), one("a", quant.F32, 1)...), `has the tensor "a" twice`},
		"no dimensions":      {nil, one("a", quant.F32), "has 0 dimensions"},
		"five dimensions":    {nil, one("a", quant.F32, 1, 1, 1, 1, 1), "has 5 dimensions"},
		"zero dimension":     {nil, one("a", quant.F32, 4, 0), "a dimension is 0"},
		"negative dimension": {nil, one("a", quant.F32, 4, -1), "a dimension is 0"},
		"part of a block":    {nil, one("a", quant.Q4_K, 32), "not a multiple of a block's 256 values"},
		"unknown type":       {nil, one("a", 77, 32), "the size of this type is unknown"},
		"too large":          {nil, one("a", quant.F32, 1<<40, 1<<40), "does not fit 63 bits"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			_, err := NewWriter(&out, c.kvs, c.infos)
			require.ErrorContains(t, err, c.want)
			require.Zero(t, out.Len(), "nothing is written before all is checked")
		})
	}
}

func TestWriterOrder(t *testing.T) {
	infos := []Info{{"a", quant.F32, []int{2}}, {"b", quant.F32, []int{3}}}
	write := func(n int) func(io.Writer) error {
		return func(out io.Writer) error { _, err := out.Write(make([]byte, n)); return err }
	}
	for name, c := range map[string]struct {
		do   func(w *Writer) error
		want string
	}{
		"wrong order": {func(w *Writer) error { return w.Tensor("b", write(12)) }, "tensor b comes where a was announced"},
		"too short":   {func(w *Writer) error { return w.Tensor("a", write(7)) }, "tensor a ends 1 bytes before its size of 8"},
		"too long":    {func(w *Writer) error { return w.Tensor("a", write(9)) }, "tensor a gets more than its size, by 1 bytes"},
		"missing":     {func(*Writer) error { return nil }, "2 of 2 tensors were not written, the first is a"},
		"one too many": {func(w *Writer) error {
			return errors.Join(w.Tensor("a", write(8)), w.Tensor("b", write(12)), w.Tensor("c", write(1)))
		}, "tensor c follows the last one"},
		"its own error": {func(w *Writer) error { return w.Tensor("a", func(io.Writer) error { return io.ErrClosedPipe }) }, "closed pipe"},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := NewWriter(io.Discard, nil, infos)
			require.NoError(t, err)
			first := c.do(w)
			err = w.Close()
			require.ErrorContains(t, err, c.want)
			if first != nil {
				require.ErrorContains(t, first, c.want)
				require.Equal(t, err, w.Tensor("a", write(8)), "an error sticks")
			}
		})
	}
}

// failing fails once n bytes have been written.
type failing struct{ n int }

func (f *failing) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

// TestWriterDiskFull lets the disk fill up after every number of bytes.
func TestWriterDiskFull(t *testing.T) {
	whole := len(encode(t, sampleKVs(), sampleInfos()))
	for n := range whole {
		require.ErrorIs(t, Write(&failing{n}, sampleKVs(), sampleInfos(), fill), io.ErrShortWrite, "%d", n)
	}
	require.NoError(t, Write(&failing{whole}, sampleKVs(), sampleInfos(), fill))
}

func TestDivide(t *testing.T) {
	sizes := func(parts [][]Info) (s [][]int) {
		for _, p := range parts {
			var one []int
			for _, t := range p {
				one = append(one, t.Dims[0])
			}
			s = append(s, one)
		}
		return s
	}
	var infos []Info
	for i, n := range []int{1, 2, 3, 9, 1, 1, 1} {
		infos = append(infos, Info{strconv.Itoa(i), quant.F32, []int{n}})
	}
	parts, err := Divide(infos, 3*4)
	require.NoError(t, err)
	require.Equal(t, [][]int{{1, 2}, {3}, {9}, {1, 1, 1}}, sizes(parts))
	parts, err = Divide(infos, 1<<40)
	require.NoError(t, err)
	require.Len(t, parts, 1)
	_, err = Divide([]Info{{"a", quant.F32, nil}}, 1)
	require.Error(t, err)
}

// memory is a directory that files are created in.
type memory map[string]*bytes.Buffer

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func (m memory) create(path string) (io.WriteCloser, error) {
	m[path] = new(bytes.Buffer)
	return nopCloser{m[path]}, nil
}

func (m memory) fs() vfs.Mem {
	out := vfs.Mem{}
	for name, b := range m {
		out[name] = bytes.Clone(b.Bytes())
	}
	return out
}

// splitFiles is the sample in three files.
func splitFiles(t testing.TB) vfs.Mem {
	infos := sampleInfos()
	files := memory{}
	require.NoError(t, WriteSplit(files.create, "dir/m", append(sampleKVs(), weights.KV{Key: KeyAlignment, Value: uint32(64)}),
		[][]Info{infos[:2], infos[2:3], infos[3:]}, fill))
	return files.fs()
}

func TestSplit(t *testing.T) {
	fsys := splitFiles(t)
	m, err := Open(fsys, "dir/m-00001-of-00003.gguf")
	require.NoError(t, err)
	require.Len(t, m.Objects, 3)
	require.Equal(t, 4, m.Len())
	s, err := m.Meta.String("general.architecture")
	require.NoError(t, err)
	require.Equal(t, "llama", s)
	i := 0
	for x := range m.All() {
		require.Equal(t, sampleInfos()[i].Name, x.Name)
		i++
		require.Zero(t, x.Range.Off%64)
		data := fsys[x.Range.Object.Name]
		require.EqualValues(t, len(data), x.Range.Object.Size)
		require.Equal(t, content(x.Name, int(x.Range.Len)), data[x.Range.Off:x.Range.Off+x.Range.Len])
	}
}

func TestWriteSplitRefuses(t *testing.T) {
	require.Error(t, WriteSplit(memory{}.create, "m", nil, nil, fill))
	full := func(string) (io.WriteCloser, error) { return nil, io.ErrShortWrite }
	require.ErrorIs(t, WriteSplit(full, "m", nil, [][]Info{nil}, fill), io.ErrShortWrite)
}
