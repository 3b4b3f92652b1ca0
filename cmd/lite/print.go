package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lite-llm/lite/internal/base"
)

// count prints a number of parameters, such as "1.3 B".
func count(n int64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, " T"}, {1e9, " B"}, {1e6, " M"}, {1e3, " k"}} {
		if float64(n) >= u.size {
			return fmt.Sprintf("%.2f%s", float64(n)/u.size, u.name)
		}
	}
	return strconv.FormatInt(n, 10)
}

// oneLine prints a name that a file gave on one line, whatever is in it.
func oneLine(s string) string { return printable(strings.Join(strings.Fields(s), " ")) }

// size prints a number of bytes.
func size(n int64) string { return base.ByteSize(n).String() }
