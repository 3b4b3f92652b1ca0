package memory

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// group is one memory cgroup around this process, in the words of its version.
type group struct {
	name   string   // as the process sees it, "/" for the outermost
	dir    string   // where its files are, from the root of the system
	limits []string // the files that limit it
	usage  string   // the file that counts what it holds
	prefix string   // of the lines of memory.stat that count its children too
}

// The words of both versions. memory.high counts as a limit: nothing is killed
// above it, but everything waits.
var (
	version1 = group{limits: []string{"memory.limit_in_bytes"}, usage: "memory.usage_in_bytes", prefix: "total_"}
	version2 = group{limits: []string{"memory.max", "memory.high"}, usage: "memory.current"}
)

// groups lists the memory cgroups of this process, innermost first.
func groups(root fs.FS) []group {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	at1, at2 := mounts(root)
	var all []group
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(f) != 3:
		case f[0] == "0" && f[1] == "":
			all = at2.around(f[2], version2, all)
		case hasOption(f[1], "memory"):
			all = at1.around(f[2], version1, all)
		}
	}
	return all
}

// mount is where a hierarchy of cgroups shows: the group root at the directory
// dir. A container often sees its own group there, and no other.
type mount struct{ root, dir string }

// mounts finds the hierarchies of version 1 and 2, or says where they usually
// are.
func mounts(root fs.FS) (at1, at2 mount) {
	at1, at2 = mount{"/", "sys/fs/cgroup/memory"}, mount{"/", "sys/fs/cgroup"}
	text, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return at1, at2
	}
	for line := range strings.Lines(string(text)) {
		// ID PARENT DEVICE ROOT DIR OPTIONS… - TYPE SOURCE OPTIONS
		where, what, ok := strings.Cut(line, " - ")
		w, f := strings.Fields(where), strings.Fields(what)
		if !ok || len(w) < 5 || len(f) < 3 {
			continue
		}
		m := mount{path.Clean("/" + unescape(w[3])), path.Clean("/" + unescape(w[4]))[1:]}
		switch {
		case f[0] == "cgroup" && hasOption(f[2], "memory"):
			at1 = m
		case f[0] == "cgroup2":
			at2 = m
		}
	}
	return at1, at2
}

// around appends the group of that name and those around it which the mount
// shows.
func (m mount) around(name string, words group, all []group) []group {
	rel, below := strings.CutPrefix(path.Clean("/"+name), m.root)
	if !below || (rel != "" && rel[0] != '/' && m.root != "/") {
		rel = "" // of the groups around the process, only the mount's own shows
	}
	for at := path.Clean("/" + rel); ; at = path.Dir(at) {
		words.name, words.dir = path.Join(m.root, at), path.Join(".", m.dir, at)
		all = append(all, words)
		if at == "/" {
			return all
		}
	}
}

// hasOption finds a word in a list with commas.
func hasOption(list, word string) bool {
	return strings.Contains(","+list+",", ","+word+",")
}

// unescape undoes the kernel's \040 for a blank in the name of a mount.
func unescape(s string) string {
	var b strings.Builder
	for {
		head, tail, found := strings.Cut(s, `\`)
		b.WriteString(head)
		if !found {
			return b.String()
		}
		s = tail
		if len(tail) < 3 {
			b.WriteByte('\\')
		} else if n, err := strconv.ParseUint(tail[:3], 8, 8); err == nil {
			b.WriteByte(byte(n))
			s = tail[3:]
		} else {
			b.WriteByte('\\')
		}
	}
}

// ErrNoGroup is returned by Hits when no memory cgroup around this process
// counts how often its limit was reached.
var ErrNoGroup = errors.New("this process is in no memory cgroup that counts how often its limit was reached")

// Hits is how often the innermost memory cgroup of this process reached its
// limit: memory.failcnt of version 1, "max" of memory.events of version 2. The
// error is ErrNoGroup.
func Hits() (int64, error) { return HitsIn(os.DirFS("/")) }

// HitsIn is Hits for the system whose root is given.
func HitsIn(root fs.FS) (int64, error) {
	for _, g := range groups(root) {
		if n, err := readInt(root, path.Join(g.dir, "memory.failcnt")); err == nil {
			return n, nil
		}
		text, err := fs.ReadFile(root, path.Join(g.dir, "memory.events"))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			v, ok := strings.CutPrefix(strings.TrimSpace(line), "max ")
			if n, err := strconv.ParseInt(v, 10, 64); ok && err == nil {
				return n, nil
			}
		}
	}
	return 0, ErrNoGroup
}
