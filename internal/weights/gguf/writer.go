package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/weights"
)

// maxWrittenName is the longest name that ggml can hold. It is one byte less
// than the format allows.
const maxWrittenName = MaxNameLen - 1

// Info describes a tensor to write.
type Info struct {
	Name string
	Type quant.Type
	Dims []int // as in weights.Tensor
}

// Bytes is the size of the tensor's data. It returns an error for dimensions
// that the type cannot have and for a type of unknown size.
func (t Info) Bytes() (int64, error) {
	dims := make([]uint64, len(t.Dims))
	for i, d := range t.Dims {
		dims[i] = uint64(max(d, 0))
	}
	if len(dims) == 0 || len(dims) > MaxDims {
		return 0, fmt.Errorf("tensor %s has %d dimensions, it must be 1 to %d", t.Name, len(dims), MaxDims)
	}
	_, size, err := extent(t.Type, dims)
	if err == nil && size < 0 {
		err = errors.New("the size of this type is unknown")
	}
	if err != nil {
		return 0, fmt.Errorf("tensor %s with dimensions %v as %s: %w", t.Name, t.Dims, t.Type, err)
	}
	return size, nil
}

// Writer writes one GGUF file of version 3 from front to back, so that the
// weights never need to be in memory. The tensors' data follow in the order in
// which they were announced.
//
//	w, err := gguf.NewWriter(file, kvs, infos)
//	for _, t := range infos {
//		err = w.Tensor(t.Name, func(data io.Writer) error { … })
//	}
//	err = w.Close()
type Writer struct {
	out   io.Writer
	align int64
	infos []Info
	sizes []int64
	next  int
	err   error
}

// NewWriter writes the header of a file with these keys and tensors to out.
// The alignment is that of KeyAlignment among kvs, which must be a uint32. The
// error says which key or tensor cannot be written, before a byte is, or is
// out's.
func NewWriter(out io.Writer, kvs []weights.KV, infos []Info) (*Writer, error) {
	meta, err := weights.NewMeta(kvs)
	if err != nil {
		return nil, fmt.Errorf("write GGUF: the model %w", err)
	}
	w := &Writer{out: out, infos: infos, sizes: make([]int64, len(infos))}
	if w.align, err = alignment(meta); err != nil {
		return nil, fmt.Errorf("write GGUF: the model %w", err)
	}
	if err := w.checkInfos(); err != nil {
		return nil, fmt.Errorf("write GGUF: %w", err)
	}
	head, err := w.header(kvs)
	if err != nil {
		return nil, fmt.Errorf("write GGUF: %w", err)
	}
	_, err = out.Write(head)
	return w, err
}

// checkInfos finds the sizes of the tensors.
func (w *Writer) checkInfos() error {
	seen := make(map[string]bool, len(w.infos))
	for i, t := range w.infos {
		var err error
		switch {
		case !isLabel(t.Name) || len(t.Name) > maxWrittenName:
			return fmt.Errorf("the tensor name %q is not 1 to %d printable ASCII characters", t.Name, maxWrittenName)
		case seen[t.Name]:
			return &weights.DuplicateError{Kind: "tensor", Name: t.Name}
		}
		seen[t.Name] = true
		if w.sizes[i], err = t.Bytes(); err != nil {
			return err
		}
	}
	return nil
}

// header is all that stands before the data, padding included.
func (w *Writer) header(kvs []weights.KV) ([]byte, error) {
	le := binary.LittleEndian
	b := le.AppendUint32([]byte("GGUF"), 3)
	b = le.AppendUint64(b, uint64(len(w.infos)))
	b = le.AppendUint64(b, uint64(len(kvs)))
	var err error
	for _, kv := range kvs {
		if !isLabel(kv.Key) || len(kv.Key) > MaxKeyLen {
			return nil, fmt.Errorf("the key %.80q is not 1 to %d printable ASCII characters", kv.Key, MaxKeyLen)
		}
		b = appendString(b, kv.Key)
		if b, err = appendValue(b, kv.Value); err != nil {
			return nil, fmt.Errorf("key %s: %w", kv.Key, err)
		}
	}
	offset := int64(0)
	for i, t := range w.infos {
		b = appendString(b, t.Name)
		b = le.AppendUint32(b, uint32(len(t.Dims))) //nolint:gosec // at most MaxDims
		for _, d := range t.Dims {
			b = le.AppendUint64(b, uint64(d)) //nolint:gosec // checked by Bytes
		}
		b = le.AppendUint32(b, uint32(t.Type))
		b = le.AppendUint64(b, uint64(offset))
		if offset += w.sizes[i] + w.padding(w.sizes[i]); offset < 0 {
			return nil, errTooLarge
		}
	}
	return append(b, make([]byte, w.padding(int64(len(b))))...), nil
}

// padding is the number of bytes from n to the next multiple of the alignment.
func (w *Writer) padding(n int64) int64 { return -n & (w.align - 1) }

// Tensor writes the next tensor, whose name it must be, by what data writes. It
// returns an error when that is not exactly the tensor's size, and after any
// error nothing more can be written.
func (w *Writer) Tensor(name string, data func(io.Writer) error) error {
	if w.err == nil {
		w.err = w.tensor(name, data)
	}
	return w.err
}

func (w *Writer) tensor(name string, data func(io.Writer) error) error {
	if w.next == len(w.infos) {
		return fmt.Errorf("write GGUF: tensor %s follows the last one that was announced", name)
	}
	if want := w.infos[w.next].Name; name != want {
		return fmt.Errorf("write GGUF: tensor %s comes where %s was announced", name, want)
	}
	size := w.sizes[w.next]
	section := &section{out: w.out, name: name, left: size}
	if err := data(section); err != nil {
		return err
	}
	if section.left != 0 {
		return fmt.Errorf("write GGUF: tensor %s ends %d bytes before its size of %d", name, section.left, size)
	}
	w.next++
	_, err := w.out.Write(make([]byte, w.padding(size)))
	return err
}

// Close returns an error when tensors are missing, or the first error there
// was. It does not close the underlying writer.
func (w *Writer) Close() error {
	if w.err == nil && w.next < len(w.infos) {
		w.err = fmt.Errorf("write GGUF: %d of %d tensors were not written, the first is %s",
			len(w.infos)-w.next, len(w.infos), w.infos[w.next].Name)
	}
	return w.err
}

// section passes on the bytes of one tensor and no more.
type section struct {
	out  io.Writer
	name string
	left int64
}

// Write implements io.Writer.
func (s *section) Write(p []byte) (int, error) {
	if int64(len(p)) > s.left {
		return 0, fmt.Errorf("write GGUF: tensor %s gets more than its size, by %d bytes", s.name, int64(len(p))-s.left)
	}
	n, err := s.out.Write(p)
	s.left -= int64(n)
	return n, err
}
