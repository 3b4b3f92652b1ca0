//go:build mutation

package metamorphic

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/kernel"
)

// root is the way to the project's root.
const root = "../.."

// TestSins commits each known sin of testdata/sins and holds that the tests
// above catch it. A sin is text that is replaced in source files, by the go
// command's overlay: the program has no seam for it. Text that is not there any
// more, exactly once, is an error, so that a sin does not outlive what it is
// committed in.
func TestSins(t *testing.T) {
	files, err := filepath.Glob("testdata/sins/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { commit(t, file) })
	}
}

// commit builds the tests with a sin and runs the one that must catch it.
func commit(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	require.NoError(t, err)
	check := field(archive.Comment, "check")
	require.NotEmpty(t, check)
	if field(archive.Comment, "needs") == "avx2" && len(kernel.Available()) == 1 {
		t.Skip("one implementation has nothing to be compared with")
	}
	require.NotEmpty(t, archive.Files)
	replace, dir := map[string]string{}, t.TempDir()
	for _, f := range archive.Files {
		path, err := filepath.Abs(filepath.Join(root, f.Name))
		require.NoError(t, err)
		replace[path] = filepath.Join(dir, strings.ReplaceAll(f.Name, "/", "_"))
		require.NoError(t, os.WriteFile(replace[path], []byte(sinful(t, path, string(f.Data))), 0o600))
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	overlay := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(overlay, text, 0o600))
	out, err := exec.CommandContext(t.Context(), "go", "test", "-failfast", "-count=1",
		"-overlay", overlay, "-run", "^"+strings.ReplaceAll(check, "/", "$/^")+"$", ".").CombinedOutput()
	require.Error(t, err, "the sin was not caught:\n%s", out)
	require.Contains(t, string(out), "--- FAIL: "+check, "the tests failed for another reason")
	require.NotContains(t, string(out), "panic:", "a crash is not a difference that was found")
}

// field is the value of a line "name: value".
func field(comment []byte, name string) string {
	for line := range strings.Lines(string(comment)) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// sinful is a source file with its hunks replaced: "<<<", the text that is
// there, "===", the text in its place, ">>>".
func sinful(t *testing.T, path, hunks string) string {
	t.Helper()
	source, err := os.ReadFile(path)
	require.NoError(t, err)
	text := string(source)
	n := 0
	for hunk := range strings.SplitSeq(hunks, "<<<\n") {
		if strings.TrimSpace(hunk) == "" {
			continue
		}
		body, rest, ended := strings.Cut(hunk, "\n>>>")
		from, to, parted := strings.Cut(body, "\n===\n")
		require.True(t, ended && parted && strings.TrimSpace(rest) == "", "%s: a hunk is not <<< === >>>", path)
		require.Equal(t, 1, strings.Count(text, from), "%s: the text of a sin is not there once:\n%s", path, from)
		text = strings.Replace(text, from, to, 1)
		n++
	}
	require.Positive(t, n)
	return text
}
