package gguf

import (
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights"
)

// FuzzOpen feeds any bytes to the reader. What it accepts must be a sound model,
// and its keys and tensors must survive being written and read again.
func FuzzOpen(f *testing.F) {
	f.Add(encode(f, nil, nil))
	f.Add(encode(f, sampleKVs(), sampleInfos()))
	f.Add(encode(f, []weights.KV{{Key: KeyAlignment, Value: uint32(64)}}, sampleInfos()[1:2]))
	f.Add(file(2, 0).tensor("a", 21, 0, 256).tensor("b", 77, 128, 8).pad().zeros(160).b)
	f.Add(splitFiles(f)[PartPath("dir/m", 1, 3)])
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Open(vfs.Mem{"m": data}, "m")
		if err != nil {
			return
		}
		checkModel(t, m)
		rewrite(t, m)
	})
}

// rewrite writes m with data of zeros, unless it has what the Writer refuses,
// and compares the description.
func rewrite(t *testing.T, m *weights.Model) {
	var kvs []weights.KV
	for k, v := range m.Meta.All() {
		kvs = append(kvs, weights.KV{Key: k, Value: v})
	}
	var infos []Info
	for x := range m.All() {
		info := Info{x.Name, x.Type, x.Dims}
		if size, err := info.Bytes(); err != nil || size > 1<<20 || len(x.Name) > maxWrittenName {
			return
		}
		infos = append(infos, info)
	}
	data := encodeWith(t, kvs, infos, func(out io.Writer, x Info) error {
		n, _ := x.Bytes()
		_, err := out.Write(make([]byte, n))
		return err
	})
	again, err := Open(vfs.Mem{"m": data}, "m")
	if err != nil {
		t.Fatalf("what was written cannot be read: %v", err)
	}
	opts := []cmp.Option{
		cmp.AllowUnexported(weights.Meta{}), cmpopts.EquateNaNs(), cmpopts.EquateEmpty(),
	}
	if d := cmp.Diff(m.Meta, again.Meta, opts...); d != "" {
		t.Fatalf("the metadata changed: %s", d)
	}
	i := 0
	for x := range again.All() {
		if d := cmp.Diff(infos[i], Info{x.Name, x.Type, x.Dims}); d != "" {
			t.Fatalf("a tensor changed: %s", d)
		}
		i++
	}
}
