// Package oracletest finds the oracle for tests.
package oracletest

import (
	"os"
	"testing"

	"github.com/lite-llm/lite/internal/oracle"
)

// Dir is the oracle's directory; root is the way from the caller's directory to
// the project's root. Without it the test is skipped, and fails in CI or when
// LITE_ORACLE says that it is there.
func Dir(t testing.TB, root string) string {
	t.Helper()
	dir, ok := oracle.Dir(root)
	if ok {
		return dir
	}
	if os.Getenv("CI") == "true" || os.Getenv("LITE_ORACLE") != "" {
		t.Fatalf("there is no oracle in %s, and CI or LITE_ORACLE says that there is", dir)
	}
	t.Skip("no oracle here: set LITE_ORACLE to the directory of an independent engine's results")
	return ""
}
