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
