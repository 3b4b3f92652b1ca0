// Package quant names the block formats in which weights are stored and gives
// their sizes and reference decoders. It stands on the parameter's road,
// between the files that hold blocks and the kernels that multiply them.
//
// The formats are those of ggml (ggml-common.h, ggml-quants.c); decoded values
// are bit-equal to ggml's.
package quant

import (
	"fmt"
	"slices"
	"strings"
)

// Type is a block format, numbered as in GGUF files.
type Type uint32

// The formats that Lite multiplies.
const (
	F32  Type = 0
	F16  Type = 1
	Q4_0 Type = 2
	Q4_1 Type = 3
	Q5_0 Type = 6
	Q5_1 Type = 7
	Q8_0 Type = 8
	Q4_K Type = 12
	Q5_K Type = 13
	Q6_K Type = 14
	BF16 Type = 30
)

// Sizes of blocks in values.
const (
	Block32  = 32  // of Q4_0, Q4_1, Q5_0, Q5_1, Q8_0
	Block256 = 256 // of the K-quants, the "super-block"
)

// format is what the package knows about a Type.
type format struct {
	name   string
	values int // per block
	bytes  int // per block
	decode func(dst []float32, block []byte)
}

// formats lists every supported Type. The sizes are checked against the
// layouts in layout.go at compile time.
var formats = map[Type]format{
	F32:  {"F32", 1, 4, decodeF32},
	F16:  {"F16", 1, 2, decodeF16},
	BF16: {"BF16", 1, 2, decodeBF16},
	Q4_0: {"Q4_0", Block32, SizeQ4_0, decodeQ4_0},
	Q4_1: {"Q4_1", Block32, SizeQ4_1, decodeQ4_1},
	Q5_0: {"Q5_0", Block32, SizeQ5_0, decodeQ5_0},
	Q5_1: {"Q5_1", Block32, SizeQ5_1, decodeQ5_1},
	Q8_0: {"Q8_0", Block32, SizeQ8_0, decodeQ8_0},
	Q4_K: {"Q4_K", Block256, SizeQ4_K, decodeQ4_K},
	Q5_K: {"Q5_K", Block256, SizeQ5_K, decodeQ5_K},
	Q6_K: {"Q6_K", Block256, SizeQ6_K, decodeQ6_K},
}

// others are formats that files may hold and Lite does not multiply; they are
// known by name so that a refusal can say what was found.
var others = map[Type]string{
	9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
	20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
	29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
}

// Types lists the supported formats by ascending number.
func Types() []Type {
	var all []Type
	for t := range formats {
		all = append(all, t)
	}
	slices.Sort(all)
	return all
}

// String is the format's name as the field writes it, such as "Q4_K".
func (t Type) String() string {
	if f, ok := formats[t]; ok {
		return f.name
	}
	if name, ok := others[t]; ok {
		return name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// ParseType returns the supported format of that name, in any case.
func ParseType(name string) (Type, error) {
	for t, f := range formats {
		if strings.EqualFold(f.name, name) {
			return t, nil
		}
	}
	return 0, fmt.Errorf("block format %q is unknown; supported: %s", name, supported())
}

// UnsupportedError says that a tensor is stored in a format that Lite does not
// multiply.
type UnsupportedError struct {
	Type   Type
	Tensor string
}

// Error implements error.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("tensor %s is stored as %s, which is not supported (supported: %s)", e.Tensor, e.Type, supported())
}

func supported() string {
	var names []string
	for _, t := range Types() {
		names = append(names, t.String())
	}
	return strings.Join(names, ", ")
}

// Supported says whether the package knows sizes and values of the format.
func (t Type) Supported() bool {
	_, ok := formats[t]
	return ok
}

// BlockLen is the number of values in a block, 0 for an unsupported format.
func (t Type) BlockLen() int { return formats[t].values }

// BlockBytes is the number of bytes of a block, 0 for an unsupported format.
func (t Type) BlockBytes() int { return formats[t].bytes }

// RowBytes is the number of bytes of a row of cols values. It returns an error
// when the format is not supported or cols is not a multiple of its block.
func (t Type) RowBytes(cols int) (int, error) {
	f, ok := formats[t]
	if !ok {
		return 0, fmt.Errorf("%s is not supported (supported: %s)", t, supported())
	}
	if cols <= 0 || cols%f.values != 0 {
		return 0, fmt.Errorf("a row of %d values is not a multiple of %s's block of %d", cols, t, f.values)
	}
	return cols / f.values * f.bytes, nil
}

// Dequantize decodes whole blocks from src to dst. The number of blocks is
// what dst has room for; src must hold as many.
func Dequantize(t Type, dst []float32, src []byte) {
	f := formats[t]
	for len(dst) >= f.values && f.values > 0 {
		f.decode(dst[:f.values], src[:f.bytes])
		dst, src = dst[f.values:], src[f.bytes:]
	}
}
