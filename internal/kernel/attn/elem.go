package attn

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/lite-llm/lite/internal/quant"
)

// Elem is the type in which keys and values are stored. A value is rounded to
// it once, half to even, when it is appended.
type Elem uint8

// The element types.
const (
	F16 Elem = iota
	BF16
	F32
)

var elems = [...]string{F16: "f16", BF16: "bf16", F32: "f32"}

// String is the name that --kv takes.
func (e Elem) String() string { return elems[e] }

// ParseElem returns the element type of that name.
func ParseElem(name string) (Elem, error) {
	for i, n := range elems {
		if n == name {
			return Elem(i), nil
		}
	}
	return 0, fmt.Errorf("KV type %q is unknown: choose f16, bf16 or f32", name)
}

// Bytes is the size of an element in bytes.
func (e Elem) Bytes() int {
	if e == F32 {
		return 4
	}
	return 2
}

// KeyBytes is the size in bytes of a block of keys of dk values.
func KeyBytes(e Elem, dk int) int { return dk * BlockLen * e.Bytes() }

// ValueBytes is the size in bytes of a block of values of dv values.
func ValueBytes(e Elem, dv int) int { return dv * BlockLen * e.Bytes() }

// PutKey stores a key as column pos of a block of keys.
func PutKey(block []byte, e Elem, pos int, key []float32) {
	for i, v := range key {
		e.put(block, i*BlockLen+pos, v)
	}
}

// PutValue stores a value as row pos of a block of values.
func PutValue(block []byte, e Elem, pos int, value []float32) {
	at := pos * len(value)
	for i, v := range value {
		e.put(block, at+i, v)
	}
}

// put stores v as element i, rounded half to even. A NaN stays one.
func (e Elem) put(b []byte, i int, v float32) {
	switch e {
	case F16:
		binary.LittleEndian.PutUint16(b[2*i:], quant.FloatToHalf(v))
	case BF16:
		binary.LittleEndian.PutUint16(b[2*i:], quant.FloatToBFloat(v))
	case F32:
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(v))
	}
}

// widen writes the elements from i on to dst, exactly.
func (e Elem) widen(dst []float32, b []byte, i int) {
	b = b[i*e.Bytes():]
	switch e {
	case F16:
		for j := range dst {
			dst[j] = quant.HalfToFloat(binary.LittleEndian.Uint16(b[2*j:]))
		}
	case BF16:
		for j := range dst {
			dst[j] = quant.BFloatToFloat(binary.LittleEndian.Uint16(b[2*j:]))
		}
	case F32:
		for j := range dst {
			dst[j] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*j:]))
		}
	}
}
