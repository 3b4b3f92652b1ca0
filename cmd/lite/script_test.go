package main

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/rogpeppe/go-internal/testscript"
)

// fails CODE lite ARGS… runs a command that must fail with that exit code, say
// nothing but one line on standard error, and leave nothing on standard output.
func fails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fails CODE COMMAND ARGS…")
	}
	err := ts.Exec(args[1], args[2:]...)
	failure, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		ts.Fatalf("it did not fail: %v", err)
	}
	errs := ts.ReadFile("stderr")
	switch {
	case strconv.Itoa(failure.ExitCode()) != args[0]:
		ts.Fatalf("exit code %d, want %s", failure.ExitCode(), args[0])
	case strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "lite: ") || printable(errs) != errs:
		ts.Fatalf("standard error is not one plain line: %q", errs)
	case ts.ReadFile("stdout") != "":
		ts.Fatalf("there is something on standard output")
	}
}

// shape FILE WANT compares the keys and types of JSON values with a list of
// them. An array is described by its elements together.
func shape(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: shape FILE WANT")
	}
	lines := map[string]bool{}
	for d := jsontext.NewDecoder(strings.NewReader(ts.ReadFile(args[0]))); ; {
		var v any
		err := json.UnmarshalDecode(d, &v)
		if errors.Is(err, io.EOF) {
			break
		}
		ts.Check(err)
		describe(lines, "", v)
	}
	got := strings.Join(slices.Sorted(maps.Keys(lines)), "\n") + "\n"
	if want := ts.ReadFile(args[1]); got != want {
		ts.Fatalf("the shape is\n%s\nand not\n%s", got, want)
	}
}

func describe(lines map[string]bool, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			describe(lines, path+"."+key, value)
		}
	case []any:
		for _, value := range v {
			describe(lines, path+"[]", value)
		}
		if len(v) == 0 {
			lines[path+"[]"] = true
		}
	case string:
		lines[path+" string"] = true
	case float64:
		lines[path+" number"] = true
	case bool:
		lines[path+" bool"] = true
	default:
		lines[path+" null"] = true
	}
}

// cut FROM TO N copies the first N bytes of a file; a negative N leaves out the
// last ones.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	if n < 0 {
		n += len(b)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b[:n], 0o600))
}

// swap FROM TO OLD NEW copies a file with one text in place of another, which
// may be written as in Go.
func swap(ts *testscript.TestScript, _ bool, args []string) {
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	text, err := strconv.Unquote(`"` + args[3] + `"`)
	ts.Check(err)
	if !bytes.Contains(b, []byte(args[2])) || len(args[2]) != len(text) {
		ts.Fatalf("%q is not there, or %q has another length", args[2], text)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), bytes.ReplaceAll(b, []byte(args[2]), []byte(text)), 0o600))
}

// named NAME sets a variable to the size that standard error names as enough.
func named(ts *testscript.TestScript, _ bool, args []string) {
	found := regexp.MustCompile(`try --memory (\d+MiB)`).FindStringSubmatch(ts.ReadFile("stderr"))
	if found == nil {
		ts.Fatalf("no size is named")
	}
	ts.Setenv(args[0], found[1])
}

// size FILE N checks the size of a file in bytes.
func fileSize(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if strconv.FormatInt(info.Size(), 10) != args[1] {
		ts.Fatalf("%s has %d bytes, want %s", args[0], info.Size(), args[1])
	}
}

// repeat FROM TO N writes the text of a file N times.
func repeat(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Repeat(ts.ReadFile(args[0]), n)), 0o600))
}

// flip FILE N inverts a bit of byte N.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	b[n] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// same A B KEY compares the value of a key in two files of JSON.
func same(ts *testscript.TestScript, _ bool, args []string) {
	var values []string
	for _, file := range args[:2] {
		var all map[string]any
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(file)), &all))
		v, ok := all[args[2]].(string)
		if !ok || v == "" {
			ts.Fatalf("%s has no text %q", file, args[2])
		}
		values = append(values, v)
	}
	if values[0] != values[1] {
		ts.Fatalf("%s is %s and %s", args[2], values[0], values[1])
	}
}
