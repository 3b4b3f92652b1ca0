//go:build !unix

package cache

import (
	"errors"
	"os"
)

// Without flock a cache directory cannot be shared, nor tell what a process left
// behind that was killed.

func lockNow(*os.File) error     { return errors.ErrUnsupported }
func lockWait(*os.File) error    { return errors.ErrUnsupported }
func free(string) (int64, error) { return 0, errors.ErrUnsupported }

func unlock(*os.File) error { return errors.ErrUnsupported }
