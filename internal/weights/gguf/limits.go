package gguf

// The limits of what Open accepts. Each is checked before anything is allocated
// for it, and so is whether the file has that many bytes left at all.
const (
	// MaxKeys is the number of metadata keys of a file.
	MaxKeys = 1 << 16
	// MaxTensors is the number of tensors of a file.
	MaxTensors = 1 << 18
	// MaxDims is the number of dimensions of a tensor, as in ggml.
	MaxDims = 4
	// MaxKeyLen and MaxNameLen are the lengths of a key and of a tensor's name
	// in bytes, from the format's specification.
	MaxKeyLen  = 1<<16 - 1
	MaxNameLen = 64
	// MaxStringLen is the length of a string value in bytes. Chat templates take
	// kilobytes, an embedded tokenizer.json takes tens of megabytes.
	MaxStringLen = 64 << 20
	// MaxArrayLen is the number of elements of an array, and MaxArrayDepth how
	// many arrays may stand in each other.
	MaxArrayLen   = 1 << 24
	MaxArrayDepth = 4
	// MaxHeader is the size in bytes of all that stands before the data. A
	// vocabulary of 250,000 tokens with its merges takes 16 MB.
	MaxHeader = 256 << 20
	// MinAlignment and MaxAlignment bound general.alignment, in bytes.
	MinAlignment = 8
	MaxAlignment = 1 << 20
	// MaxGap is the number of bytes that may be left unused before a tensor or
	// after the last one: what the largest alignment can need.
	MaxGap = MaxAlignment
	// MaxParts is the number of files of a split.
	MaxParts = 4096
)

// defaultAlignment holds where general.alignment is absent.
const defaultAlignment = 32
