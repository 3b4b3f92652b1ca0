package pack

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// A journal is what a writer of a pack notes of the objects that it finished: a
// line with the pack's identity, and a line for each object. Every line ends with
// a checksum, so that one that a crash cut short is seen and left out.
//
//	lite.pack.journal 1 <identity> <crc32c>
//	<name> <size> <note, base64> <crc32c>

// castagnoli is the polynomial of CRC32C, which finds torn lines; it is no
// protection against anything else.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// journalSuffix follows the name of the directory that the journal is of.
const journalSuffix = ".journal"

// entry is a finished object.
type entry struct {
	size int64
	note []byte
}

// sealed is a line with its checksum.
func sealed(line string) []byte {
	return fmt.Appendf(nil, "%s %08x\n", line, crc32.Checksum([]byte(line), castagnoli))
}

func journalHead(identity Hash) []byte {
	return sealed("lite.pack.journal 1 " + identity.String())
}

func journalLine(name string, e entry) []byte {
	return sealed(fmt.Sprintf("%s %d %s", name, e.size, base64.StdEncoding.EncodeToString(e.note)))
}

// readJournal returns the entries of a journal of that identity and how many of
// its bytes are whole lines. ours says that it is a journal, whoever's.
func readJournal(b []byte, identity Hash) (entries map[string]entry, whole int64, ours bool) {
	head, rest, ok := bytes.Cut(b, []byte("\n"))
	if !bytes.HasPrefix(b, []byte("lite.pack.journal ")) {
		return nil, 0, len(b) == 0 // a writer that was killed before its first line
	}
	if !ok || !bytes.Equal(append(head, '\n'), journalHead(identity)) {
		return nil, 0, true
	}
	entries, whole = map[string]entry{}, int64(len(head)+1)
	for {
		line, more, ok := bytes.Cut(rest, []byte("\n"))
		if !ok {
			return entries, whole, true
		}
		name, e, ok := parseLine(string(line))
		if !ok {
			return entries, whole, true
		}
		entries[name] = e
		whole += int64(len(line)) + 1
		rest = more
	}
}

// parseLine reads a line without its end.
func parseLine(line string) (name string, e entry, ok bool) {
	at := strings.LastIndexByte(line, ' ')
	if at < 0 || string(sealed(line[:at])) != line+"\n" {
		return "", e, false
	}
	f := strings.Split(line[:at], " ")
	if len(f) != 3 {
		return "", e, false
	}
	size, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil || size < 0 {
		return "", e, false
	}
	note, err := base64.StdEncoding.DecodeString(f[2])
	return f[0], entry{size, note}, err == nil
}
