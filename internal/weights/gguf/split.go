package gguf

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights"
)

// splitName is how the parts of a split are named: "name-00002-of-00010.gguf".
var splitName = regexp.MustCompile(`^(.*)-([0-9]{5})-of-([0-9]{5})\.gguf$`)

// PartPath is the path of part i, from 1, of the n files that a model named
// prefix is split into.
func PartPath(prefix string, i, n int) string {
	return fmt.Sprintf("%s-%05d-of-%05d.gguf", prefix, i, n)
}

// split is what a part says about the split it belongs to.
type split struct {
	no, count uint64 // no counts from 0
	tensors   uint64 // of all parts together
}

// splitOf reads the split keys. A file without them is the only part.
func splitOf(meta weights.Meta) (s split, err error) {
	if s.count, err = weights.Or(meta.Uint, keySplitCount, 1); err != nil || s.count <= 1 {
		return split{count: 1}, err
	}
	if s.no, err = meta.Uint(keySplitNo); err != nil {
		return s, err
	}
	s.tensors, err = meta.Uint(keySplitTensors)
	return s, err
}

// readSplit returns all parts of the split that begins with first, which is
// alone when the model is not split.
func readSplit(fsys vfs.FS, first *part) ([]*part, error) {
	path := first.object.Name
	bad := func(format string, args ...any) ([]*part, error) {
		return nil, &FormatError{Path: path, What: fmt.Sprintf(format, args...)}
	}
	want, err := splitOf(first.meta)
	if err != nil {
		return bad("cannot be joined with the other parts of its split: %v", err)
	}
	parts := []*part{first}
	if want.count == 1 {
		return parts, nil
	}
	if want.count > MaxParts {
		return bad("is split into %d files, the limit is %d", want.count, MaxParts)
	}
	n := int(want.count)
	name := splitName.FindStringSubmatch(path)
	if name == nil || name[3] != fmt.Sprintf("%05d", n) {
		return bad("is one of %d parts, but is not named like one: …-%05d-of-%05d.gguf", n, want.no+1, n)
	}
	if want.no != 0 || name[2] != "00001" {
		return bad("is part %d of %d; open the first, %s", want.no+1, n, filepath.Base(PartPath(name[1], 1, n)))
	}
	total := uint64(len(first.tensors))
	for i := 2; i <= n; i++ {
		p, err := readPart(fsys, PartPath(name[1], i, n))
		if err != nil {
			return nil, fmt.Errorf("part %d of %d: %w", i, n, err)
		}
		if err := checkPart(p, want, i); err != nil {
			return nil, err
		}
		total += uint64(len(p.tensors))
		parts = append(parts, p)
	}
	if total != want.tensors {
		return bad("declares %d tensors in its %d parts, which hold %d", want.tensors, n, total)
	}
	return parts, nil
}

// checkPart holds what part i, from 1, says of itself against the first part.
func checkPart(p *part, want split, i int) error {
	have, err := splitOf(p.meta)
	switch {
	case err != nil:
		return &FormatError{Path: p.object.Name, What: "cannot be joined with the other parts of its split: " + err.Error()}
	case have.count != want.count || have.tensors != want.tensors:
		return &FormatError{Path: p.object.Name, What: "belongs to another split than the first part"}
	case have.no != uint64(i)-1: //nolint:gosec // i is at least 2
		return &FormatError{Path: p.object.Name, What: "says that it is part " + strconv.FormatUint(have.no+1, 10)}
	}
	return nil
}
