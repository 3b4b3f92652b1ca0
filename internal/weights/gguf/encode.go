package gguf

import (
	"encoding/binary"
	"fmt"
)

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// appendValue appends the type of v and v, one of the types of weights.KV.
func appendValue(b []byte, v any) ([]byte, error) {
	t, n, err := kindOf(v)
	switch {
	case err != nil:
		return nil, err
	case n >= 0:
		return appendArray(binary.LittleEndian.AppendUint32(b, typeArray), v, 1)
	}
	b = binary.LittleEndian.AppendUint32(b, t)
	if s, ok := v.(string); ok {
		return appendString(b, s), nil
	}
	return binary.Append(b, binary.LittleEndian, v)
}

// appendArray appends the array v, which stands inside depth-1 others: the type
// of its elements, their number, and they.
func appendArray(b []byte, v any, depth int) ([]byte, error) {
	t, n, err := kindOf(v)
	switch {
	case err != nil:
		return nil, err
	case n < 0:
		return nil, fmt.Errorf("an array of arrays holds a %T", v)
	case n > MaxArrayLen:
		return nil, fmt.Errorf("an array of %d elements is beyond the limit of %d", n, MaxArrayLen)
	case depth > MaxArrayDepth:
		return nil, fmt.Errorf("arrays are nested deeper than %d", MaxArrayDepth)
	}
	b = binary.LittleEndian.AppendUint32(b, t)
	b = binary.LittleEndian.AppendUint64(b, uint64(n))
	switch a := v.(type) {
	case []string:
		for _, s := range a {
			b = appendString(b, s)
		}
		return b, nil
	case []any:
		for _, e := range a {
			if b, err = appendArray(b, e, depth+1); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	return binary.Append(b, binary.LittleEndian, v)
}

// kindOf is the format's type of v, with -1, or that of its elements, with
// their number.
func kindOf(v any) (t uint32, n int, err error) {
	switch a := v.(type) {
	case uint8:
		return typeU8, -1, nil
	case int8:
		return typeI8, -1, nil
	case uint16:
		return typeU16, -1, nil
	case int16:
		return typeI16, -1, nil
	case uint32:
		return typeU32, -1, nil
	case int32:
		return typeI32, -1, nil
	case uint64:
		return typeU64, -1, nil
	case int64:
		return typeI64, -1, nil
	case float32:
		return typeF32, -1, nil
	case float64:
		return typeF64, -1, nil
	case bool:
		return typeBool, -1, nil
	case string:
		return typeString, -1, nil
	case []uint8:
		return typeU8, len(a), nil
	case []int8:
		return typeI8, len(a), nil
	case []uint16:
		return typeU16, len(a), nil
	case []int16:
		return typeI16, len(a), nil
	case []uint32:
		return typeU32, len(a), nil
	case []int32:
		return typeI32, len(a), nil
	case []uint64:
		return typeU64, len(a), nil
	case []int64:
		return typeI64, len(a), nil
	case []float32:
		return typeF32, len(a), nil
	case []float64:
		return typeF64, len(a), nil
	case []bool:
		return typeBool, len(a), nil
	case []string:
		return typeString, len(a), nil
	case []any:
		return typeArray, len(a), nil
	}
	return 0, 0, fmt.Errorf("a value of type %T cannot be written", v)
}
