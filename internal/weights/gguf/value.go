package gguf

import "math"

// The types of metadata values.
const (
	typeU8 uint32 = iota
	typeI8
	typeU16
	typeI16
	typeU32
	typeI32
	typeF32
	typeBool
	typeString
	typeArray
	typeU64
	typeI64
	typeF64
)

// Element sizes in bytes, of strings and arrays the least.
var valueBytes = [...]int64{
	typeU8: 1, typeI8: 1, typeU16: 2, typeI16: 2, typeU32: 4, typeI32: 4, typeF32: 4, typeBool: 1,
	typeString: 8, typeArray: 12, typeU64: 8, typeI64: 8, typeF64: 8,
}

// Decoders of the fixed-size types. An empty string, after an error, gives 0.

func toU8(s string) uint8 {
	if s == "" {
		return 0
	}
	return s[0]
}
func toI8(s string) int8     { return int8(toU8(s)) }  //nolint:gosec // the same bits
func toI16(s string) int16   { return int16(le16(s)) } //nolint:gosec // the same bits
func toI32(s string) int32   { return int32(le32(s)) } //nolint:gosec // the same bits
func toI64(s string) int64   { return int64(le64(s)) } //nolint:gosec // the same bits
func toF32(s string) float32 { return math.Float32frombits(le32(s)) }
func toF64(s string) float64 { return math.Float64frombits(le64(s)) }

// value reads a value of type t, which stands inside depth arrays. It is
// meaningless after an error.
func (r *reader) value(t uint32, depth int) any {
	if r.err != nil {
		return nil
	}
	switch t {
	case typeU8:
		return toU8(r.take(1))
	case typeI8:
		return toI8(r.take(1))
	case typeU16:
		return le16(r.take(2))
	case typeI16:
		return toI16(r.take(2))
	case typeU32:
		return r.u32()
	case typeI32:
		return toI32(r.take(4))
	case typeF32:
		return toF32(r.take(4))
	case typeBool:
		return r.boolean(r.take(1))
	case typeString:
		return r.str(MaxStringLen)
	case typeArray:
		return r.array(depth + 1)
	case typeU64:
		return r.u64()
	case typeI64:
		return toI64(r.take(8))
	case typeF64:
		return toF64(r.take(8))
	}
	r.fail("has the unknown value type %d in %s", t, r.what)
	return nil
}

// array reads an array that is the depth-th one around its elements.
func (r *reader) array(depth int) any {
	if depth > MaxArrayDepth {
		r.fail("has arrays nested deeper than %d in %s", MaxArrayDepth, r.what)
		return nil
	}
	t := r.u32()
	if r.err == nil && t >= uint32(len(valueBytes)) {
		r.fail("has the unknown element type %d in %s", t, r.what)
	}
	if r.err != nil {
		return nil
	}
	n := r.count(MaxArrayLen, valueBytes[t], "elements")
	switch t {
	case typeU8:
		return fixed(r, n, 1, toU8)
	case typeI8:
		return fixed(r, n, 1, toI8)
	case typeU16:
		return fixed(r, n, 2, le16)
	case typeI16:
		return fixed(r, n, 2, toI16)
	case typeU32:
		return fixed(r, n, 4, le32)
	case typeI32:
		return fixed(r, n, 4, toI32)
	case typeF32:
		return fixed(r, n, 4, toF32)
	case typeBool:
		return fixed(r, n, 1, r.boolean)
	case typeU64:
		return fixed(r, n, 8, le64)
	case typeI64:
		return fixed(r, n, 8, toI64)
	case typeF64:
		return fixed(r, n, 8, toF64)
	case typeString:
		return each(r, n, func() string { return r.str(MaxStringLen) })
	default:
		return each(r, n, func() any { return r.array(depth + 1) })
	}
}

// fixed reads n elements of size bytes each, which the file has.
func fixed[T any](r *reader, n, size int, decode func(string) T) []T {
	a := make([]T, n)
	for i := range a {
		if a[i] = decode(r.take(size)); r.err != nil {
			return nil
		}
	}
	return a
}

// each reads n elements of varying size. The file has the least bytes that they
// can take.
func each[T any](r *reader, n int, read func() T) []T {
	a := make([]T, n)
	for i := range a {
		if a[i] = read(); r.err != nil {
			return nil
		}
	}
	return a
}

// boolean is true for 1 and false for 0; the format knows no other.
func (r *reader) boolean(s string) bool {
	b := toU8(s)
	if b > 1 {
		r.fail("has the boolean %d in %s, it must be 0 or 1", b, r.what)
	}
	return b == 1
}
