package gguf

import (
	"errors"

	"github.com/lite-llm/lite/internal/weights"
)

// FormatError is returned for a file that is not GGUF, not whole, or beyond a
// limit. What continues a sentence that begins with the path, such as
// `is empty` or `ends at byte 812, tensor output.weight needs 900`.
type FormatError struct {
	Path string
	What string
}

// Error implements error.
func (e *FormatError) Error() string { return e.Path + " " + e.What }

// duplicate turns a DuplicateError, which continues a sentence too, into a
// FormatError.
func duplicate(path string, err error) error {
	if _, twice := errors.AsType[*weights.DuplicateError](err); twice {
		return &FormatError{Path: path, What: err.Error()}
	}
	return err
}
