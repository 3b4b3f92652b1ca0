// Package base holds the nouns that all layers share; it has no behaviour
// beyond printing and parsing them.
package base

// Object names an immutable byte string on some rung: a file, a shard, an
// object in a bucket. Two Objects with equal names hold equal bytes.
type Object struct {
	// Name is unique within a model: the file's path, or an object key.
	Name string
	// Size is the number of bytes, known before the first read.
	Size int64
}

// Range is a part of an Object.
type Range struct {
	Object Object
	Off    int64
	Len    int64
}

// Stack is where the equal parts of a tensor stand, such as one projection of
// the experts of a layer, when they are not one after another in one object.
type Stack struct {
	// Runs count on from 0, in the order of storage.
	Runs []Run
	// Order[i] is the place in that order of part i; nil when it is i.
	Order []int32
}

// Run is parts of a Stack at equal distances in one object.
type Run struct {
	First, Count int64
	// At reaches from the first byte of the first part to the last of the last.
	At Range
	// Stride is the bytes from one part to the next.
	Stride int64
}
