package gguf

import (
	"errors"
	"fmt"
	"io"

	"github.com/lite-llm/lite/internal/weights"
)

// Data writes the blocks of one tensor.
type Data func(out io.Writer, t Info) error

// Write writes a whole file: the keys and every tensor in order, by data.
func Write(out io.Writer, kvs []weights.KV, infos []Info, data Data) error {
	w, err := NewWriter(out, kvs, infos)
	if err != nil {
		return err
	}
	for _, t := range infos {
		if err := w.Tensor(t.Name, func(out io.Writer) error { return data(out, t) }); err != nil {
			return err
		}
	}
	return w.Close()
}

// Divide cuts tensors, in order, into parts of at most limit bytes of data. A
// tensor that is larger is a part by itself.
func Divide(infos []Info, limit int64) ([][]Info, error) {
	var parts [][]Info
	room := int64(-1)
	for _, t := range infos {
		size, err := t.Bytes()
		if err != nil {
			return nil, err
		}
		if room -= size; len(parts) == 0 || room < 0 {
			parts, room = append(parts, nil), limit-size
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], t)
	}
	return parts, nil
}

// WriteSplit writes one model as len(parts) files, named by PartPath and made by
// create. The first has the keys, all have those of the split and the
// alignment.
func WriteSplit(create func(path string) (io.WriteCloser, error), prefix string,
	kvs []weights.KV, parts [][]Info, data Data,
) error {
	if len(parts) == 0 || len(parts) > MaxParts {
		return fmt.Errorf("write GGUF: a model cannot be split into %d files, it must be 1 to %d", len(parts), MaxParts)
	}
	total := 0
	var common []weights.KV
	for _, p := range parts {
		total += len(p)
	}
	for _, kv := range kvs {
		if kv.Key == KeyAlignment {
			common = append(common, kv)
		}
	}
	for i, infos := range parts {
		own := []weights.KV{
			{Key: keySplitNo, Value: uint16(i)},
			{Key: keySplitCount, Value: uint16(len(parts))}, //nolint:gosec // at most MaxParts
			{Key: keySplitTensors, Value: int32(total)},
		}
		if i == 0 {
			own = append(own, kvs...)
		} else {
			own = append(own, common...)
		}
		f, err := create(PartPath(prefix, i+1, len(parts)))
		if err != nil {
			return err
		}
		if err := errors.Join(Write(f, own, infos, data), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
