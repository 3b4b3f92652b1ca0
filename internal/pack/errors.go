package pack

import (
	"errors"
	"fmt"

	"github.com/lite-llm/lite/internal/base"
)

// ManifestError says what is wrong with a pack's manifest, or with a file
// that is not what the manifest says. What continues a sentence that begins
// with the path.
type ManifestError struct{ Path, What string }

// Error implements error.
func (e *ManifestError) Error() string { return e.Path + " " + e.What }

// IntegrityError says that bytes of a pack are not those that it was made with.
// They are never used, and nothing else in their place.
type IntegrityError struct {
	Object string // the file
	// Part is what stands there: "expert 12 of layer 3 in tier small", "page 7
	// of the trunk".
	Part string
}

// Error implements error.
func (e *IntegrityError) Error() string {
	return fmt.Sprintf("%s: the bytes of %s are not those that the pack was made with; fetch the file again", e.Object, e.Part)
}

// SignatureError says why a pack is not trusted.
type SignatureError struct{ Path, What string }

// Error implements error.
func (e *SignatureError) Error() string { return e.Path + " " + e.What }

// ExistsError says that there is something already where a pack is to be
// written.
type ExistsError struct{ Path string }

// Error implements error.
func (e *ExistsError) Error() string {
	return e.Path + " is there already: remove it or choose another name"
}

// BusyError says that another process is writing the same pack.
type BusyError struct{ Path string }

// Error implements error.
func (e *BusyError) Error() string { return e.Path + " is being written by another process" }

// SpaceError says that a pack does not fit the place that it is written to.
// What was written stays, and packing goes on from there when there is room.
type SpaceError struct {
	Path string
	Need base.ByteSize // bytes still to be written
	Have base.ByteSize // bytes that are free; -1 when it was found by writing
}

// Error implements error.
func (e *SpaceError) Error() string {
	if e.Have < 0 {
		return fmt.Sprintf("%s: the disk is full and up to %v are still to be written; make room and run the same command again, it goes on from here", e.Path, e.Need)
	}
	return fmt.Sprintf("%s: %v are to be written and %v are free", e.Path, e.Need, e.Have)
}

// errTooLarge is the cause of a ManifestError where sizes do not fit 63 bits.
var errTooLarge = errors.New("its size does not fit 63 bits")
