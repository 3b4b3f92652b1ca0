package gguf

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/weights"
)

// block is the size of a block in values and bytes.
type block struct{ values, bytes uint64 }

// foreign are the sizes of the formats that files may hold and quant does not
// know, from ggml's type traits. They are here so that tensors in them have
// their true extent and the others around them can be trusted.
var foreign = map[quant.Type]block{
	9: {32, 36}, 10: {256, 84}, 11: {256, 110}, 15: {256, 292}, // Q8_1, Q2_K, Q3_K, Q8_K
	16: {256, 66}, 17: {256, 74}, 18: {256, 98}, 19: {256, 50}, // IQ2_XXS, IQ2_XS, IQ3_XXS, IQ1_S
	20: {32, 18}, 21: {256, 110}, 22: {256, 82}, 23: {256, 136}, // IQ4_NL, IQ3_S, IQ2_S, IQ4_XS
	24: {1, 1}, 25: {1, 2}, 26: {1, 4}, 27: {1, 8}, 28: {1, 8}, // I8, I16, I32, I64, F64
	29: {256, 56}, 34: {256, 54}, 35: {256, 66}, 39: {32, 17}, // IQ1_M, TQ1_0, TQ2_0, MXFP4
}

// blockOf is the size of t's blocks, zero for a type of unknown size.
func blockOf(t quant.Type) block {
	if t.Supported() {
		return block{uint64(t.BlockLen()), uint64(t.BlockBytes())} //nolint:gosec // sizes of a block
	}
	return foreign[t]
}

var (
	errZeroDim  = errors.New("a dimension is 0")
	errTooLarge = errors.New("the number of values does not fit 63 bits")
)

// extent checks the dimensions of a tensor of type t and returns them with the
// size of its data in bytes, -1 when the type's size is unknown.
func extent(t quant.Type, dims []uint64) ([]int, int64, error) {
	out, n := make([]int, len(dims)), uint64(1)
	for i, d := range dims {
		if d == 0 {
			return nil, 0, errZeroDim
		}
		over, product := bits.Mul64(n, d)
		if over != 0 || product > math.MaxInt64 {
			return nil, 0, errTooLarge
		}
		out[i], n = int(d), product //nolint:gosec // d is at most the product, which fits
	}
	b := blockOf(t)
	if b.values == 0 {
		return out, -1, nil
	}
	if dims[0]%b.values != 0 {
		return nil, 0, fmt.Errorf("the first dimension is not a multiple of a block's %d values", b.values)
	}
	over, size := bits.Mul64(n/b.values, b.bytes)
	if over != 0 || size > math.MaxInt64 {
		return nil, 0, errTooLarge
	}
	return out, int64(size), nil
}

// layout places the tensors of one file.
type layout struct {
	object    base.Object
	align     int64
	headerEnd int64 // offset of the first byte after the descriptions
	dataEnd   int64 // set by place: offset of the first byte after the last tensor
}

// place turns descriptions into tensors with their ranges, in the same order. It
// checks that each starts at a multiple of the alignment, ends within the file,
// overlaps no other, and that no more than MaxGap bytes are left between two.
func (l *layout) place(infos []info) ([]weights.Tensor, error) {
	start := (l.headerEnd + l.align - 1) / l.align * l.align
	l.dataEnd = min(start, l.object.Size)
	if len(infos) == 0 {
		l.dataEnd = l.headerEnd
		return nil, nil
	}
	l.dataEnd = start
	order := make([]int, len(infos))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(infos[a].offset, infos[b].offset) })
	tensors := make([]weights.Tensor, len(infos))
	previous := "the header"
	for k, i := range order {
		size := infos[i].size
		if size < 0 {
			// A type of unknown size reaches to the next tensor or the end.
			size = l.object.Size - start
			if k+1 < len(order) {
				size = clampOffset(infos[order[k+1]].offset)
			}
			size = max(size-clampOffset(infos[i].offset), 0)
		}
		t, err := l.tensor(infos[i], start, size, previous)
		if err != nil {
			return nil, &FormatError{Path: l.object.Name, What: err.Error()}
		}
		tensors[i], previous, l.dataEnd = t, "tensor "+t.Name, t.Range.Off+t.Range.Len
	}
	return tensors, nil
}

// tensor checks one description against dataEnd, the end of what stands before
// it, which is called previous.
func (l *layout) tensor(t info, start, size int64, previous string) (weights.Tensor, error) {
	if t.offset%uint64(l.align) != 0 { //nolint:gosec // a power of two of at most 2^20
		return weights.Tensor{}, fmt.Errorf("has tensor %s at offset %d, which is not a multiple of its alignment %d",
			t.name, t.offset, l.align)
	}
	if room := l.object.Size - start; room < 0 || t.offset > uint64(room) || size > room-int64(t.offset) { //nolint:gosec // compared before
		return weights.Tensor{}, fmt.Errorf("ends at byte %d, tensor %s needs %s", l.object.Size, t.name, sum(start, t.offset, size))
	}
	off := start + int64(t.offset) //nolint:gosec // within the file
	switch gap := off - l.dataEnd; {
	case gap < 0:
		return weights.Tensor{}, fmt.Errorf("has tensor %s at byte %d, inside %s, which ends at byte %d", t.name, off, previous, l.dataEnd)
	case gap > MaxGap:
		return weights.Tensor{}, fmt.Errorf("has %d unused bytes between %s and tensor %s, the limit is %d", gap, previous, t.name, MaxGap)
	}
	return weights.Tensor{
		Name: t.name, Type: t.typ, Dims: t.dims,
		Range: base.Range{Object: l.object, Off: off, Len: size},
	}, nil
}

// clampOffset is an offset as a position, the largest for those that no file
// has.
func clampOffset(offset uint64) int64 { return int64(min(offset, math.MaxInt64)) }

// sum prints start + offset + size, which may not fit 64 bits.
func sum(start int64, offset uint64, size int64) string {
	low, over := bits.Add64(offset, uint64(start)+uint64(size), 0) //nolint:gosec // both are positive
	if over != 0 {
		return "more than 2^64"
	}
	return strconv.FormatUint(low, 10)
}
