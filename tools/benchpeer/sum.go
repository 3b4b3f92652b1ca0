package main

import "encoding/binary"

// sum adds the words of b, whose length is a multiple of 64: a plain read of
// memory with as many additions in flight as a core has.
func sum(b []byte) uint64 {
	var s [8]uint64
	for len(b) >= 64 {
		p := b[:64]
		s[0] += binary.LittleEndian.Uint64(p[0:])
		s[1] += binary.LittleEndian.Uint64(p[8:])
		s[2] += binary.LittleEndian.Uint64(p[16:])
		s[3] += binary.LittleEndian.Uint64(p[24:])
		s[4] += binary.LittleEndian.Uint64(p[32:])
		s[5] += binary.LittleEndian.Uint64(p[40:])
		s[6] += binary.LittleEndian.Uint64(p[48:])
		s[7] += binary.LittleEndian.Uint64(p[56:])
		b = b[64:]
	}
	total := uint64(0)
	for _, v := range s {
		total += v
	}
	return total
}
