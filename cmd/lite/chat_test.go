//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lite-llm/lite"
)

// terminal is a lite in a terminal, and all that it has shown.
type terminal struct {
	t    *testing.T
	cmd  *exec.Cmd
	pty  *os.File
	seen []byte
	at   int // what was expected so far ends here
}

// patience is how long a test waits for what never comes: it then fails.
const patience = time.Minute

func start(t *testing.T, args ...string) *terminal {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "lite", args...)
	cmd.Env = append(os.Environ(), "TERM=xterm")
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 400})
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return &terminal{t: t, cmd: cmd, pty: f}
}

// send types.
func (c *terminal) send(keys string) {
	c.t.Helper()
	_, err := io.WriteString(c.pty, keys)
	require.NoError(c.t, err)
}

// expect reads until what it has not seen before matches, and returns the match.
func (c *terminal) expect(pattern string) []string {
	c.t.Helper()
	re := regexp.MustCompile(pattern)
	for {
		if m := re.FindSubmatchIndex(c.seen[c.at:]); m != nil {
			var groups []string
			for i := 0; i < len(m); i += 2 {
				groups = append(groups, string(c.seen[c.at+m[i]:c.at+m[i+1]]))
			}
			c.at += m[1]
			return groups
		}
		var b [4096]byte
		n, err := c.pty.Read(b[:])
		c.seen = append(c.seen, b[:n]...)
		if err != nil {
			c.t.Fatalf("waiting for %q: %v; seen: %q", pattern, err, c.seen)
		}
	}
}

// ends waits for the process and checks its exit code.
func (c *terminal) ends(code int) {
	c.t.Helper()
	for {
		var b [4096]byte
		n, err := c.pty.Read(b[:])
		c.seen = append(c.seen, b[:n]...)
		if err != nil { // EIO, once the process is gone
			break
		}
	}
	_ = c.cmd.Wait()
	require.Equal(c.t, code, c.cmd.ProcessState.ExitCode(), "%q", c.seen)
}

const (
	up    = "\x1b[A"
	ctrlC = "\x03"
	ctrlD = "\x04"
)

// stats asks for the prompt's tokens of the last answer, and how many of them
// were in the context.
func (c *terminal) stats() (prompt, reused int) {
	c.t.Helper()
	c.send("/stats\r")
	m := c.expect(`prompt (\d+) tokens \((\d+) reused\)[^>]*ended by (\w+)`)
	c.expect("> ")
	prompt, err := strconv.Atoi(m[1])
	require.NoError(c.t, err)
	reused, err = strconv.Atoi(m[2])
	require.NoError(c.t, err)
	return prompt, reused
}

func TestChat(t *testing.T) {
	model := randomModel(t, t.TempDir(), "llama")
	c := start(t, "run", model, "--max-tokens", "5", "--seed", "11", "--ignore-end")
	c.expect(`random llama, seed 1 \(llama, .* parameters\), seed 11\. /help lists the commands\.`)
	c.expect("> ")
	c.send("/stats\r")
	c.expect("Nothing was said yet")
	c.send("/help\r")
	c.expect(`/clear +forget the conversation`)
	c.expect("> ")

	c.send("bali\r")
	c.expect(`\(ended by max-tokens 5\)`)
	c.expect("> ")
	first, reused := c.stats()
	require.Equal(t, promptTokens(t, model, "bali"), first)
	require.Zero(t, reused)

	// Up is what was typed before: /stats, then bali. The conversation goes on.
	c.send(up + up + "\r")
	c.expect(`\(ended by max-tokens 5\)`)
	c.expect("> ")
	second, reused := c.stats()
	require.Greater(t, second, 2*first-10, "both messages and an answer are in the prompt")
	require.GreaterOrEqual(t, reused, first)

	// Forgotten, and a message of several lines.
	c.send("/clear\r")
	c.expect("forgotten")
	c.expect("> ")
	c.send("\"\"\"\r")
	c.expect("… ")
	c.send("bali\r")
	c.expect("… ")
	c.send("bobo\"\"\"\r")
	c.expect(`\(ended by max-tokens 5\)`)
	c.expect("> ")
	several, _ := c.stats()
	require.Equal(t, promptTokens(t, model, "bali\nbobo"), several)

	// Settings.
	for typed, answer := range map[string]string{
		"/set temp NaN":           "temperature NaN: want a number from 0",
		"/set temp hot":           `temp needs a number, not "hot"`,
		"/set top-k -1":           `top-k needs a whole number, not "-1"`,
		"/set tier-set huge":      `there is no tier set "huge"; this model has: full`,
		"/set colour red":         `there is no setting "colour"`,
		"/set max-tokens many":    `max-tokens needs a whole number, not "many"`,
		"/set system Be brief.":   "The conversation begins anew",
		"/dance":                  "There is no /dance; /help lists the commands",
		"/set repeat-penalty Inf": "repeat penalty \\+Inf",
	} {
		c.send(typed + "\r")
		c.expect(answer)
		c.expect("> ")
	}
	c.send("/set temp 0\r")
	c.expect("> ")
	c.send("/set max-tokens 3\r")
	c.expect("> ")
	c.send("/set\r")
	c.expect(`temp 0, top-k 40, top-p 0.95, min-p 0, repeat-penalty 1.05, seed 11, max-tokens 3, tier-set full \(of full\), system "Be brief."`)
	c.expect("> ")
	c.send("bali\r")
	c.expect(`\(ended by max-tokens 3\)`)
	c.expect("> ")
	briefed, _ := c.stats()
	require.Greater(t, briefed, first)

	// Ctrl-C drops a line, Ctrl-D leaves.
	c.send("what was I")
	c.expect("what was I")
	c.send(ctrlC)
	c.expect("> ")
	c.send(ctrlD)
	c.ends(exitDone)
	for _, screen := range []string{"\x1b[?1049h", "\x1b[?1047h", "\x1b[?47h", "\x1b[2J"} {
		require.NotContains(t, string(c.seen), screen, "no alternate screen, and none cleared")
	}
}

// promptTokens is the length of a message in the model's template.
func promptTokens(t *testing.T, path, text string) int {
	t.Helper()
	m, err := lite.Open(path, lite.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	g := m.Generate(t.Context(), lite.Request{Messages: []lite.Message{{Role: "user", Content: text}}, MaxTokens: 1})
	for range g.Tokens() {
	}
	require.NoError(t, g.Err())
	return g.Stats().PromptTokens
}

// TestChatInterrupt stops an answer that would not end by itself.
func TestChatInterrupt(t *testing.T) {
	model := randomModel(t, t.TempDir(), "llama")
	c := start(t, "run", model, "--seed", "1", "--ignore-end", "--context", "200000", "--memory", "1GiB", "--kv", "bf16")
	c.expect("> ")
	for range 2 { // each Ctrl-C ends one answer
		c.send("bali\r")
		c.expect(`bali[^\r\n]*\r\n`)
		c.expect(`[^\r\n]{20}`) // it is saying something
		c.send(ctrlC)
		c.expect(`\(interrupted\)`)
		c.expect("> ")
	}
	prompt, reused := c.stats()
	require.Greater(t, prompt, 2*promptTokens(t, model, "bali")-10, "what was said stays in the conversation")
	require.Positive(t, reused)
	c.send("/bye\r")
	c.ends(exitDone)
}

// TestChatContextFull says what to do.
func TestChatContextFull(t *testing.T) {
	model := randomModel(t, t.TempDir(), "llama")
	c := start(t, "run", model, "--seed", "1", "--ignore-end", "--context", "64")
	c.expect("> ")
	c.send("bali\r")
	c.expect(`\(the context is full: /clear forgets the conversation\)`)
	c.send("bali\r")
	c.expect(`\(the context is full: /clear forgets the conversation\)`)
	c.expect("> ")
	c.send("/clear\r")
	c.expect("> ")
	c.send("/set max-tokens 2\r")
	c.expect("> ")
	c.send("bali\r")
	c.expect(`\(ended by max-tokens 2\)`)
	c.send(ctrlD)
	c.ends(exitDone)
}

// TestChatTerminated gives the terminal back.
func TestChatTerminated(t *testing.T) {
	c := start(t, "run", "tiny")
	c.expect("It does not converse: it goes on from each text that you type")
	c.expect("> ")
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGTERM))
	c.ends(exitFailed)
	mode, err := unix.IoctlGetTermios(int(c.pty.Fd()), unix.TCGETS)
	require.NoError(t, err)
	require.NotZero(t, mode.Lflag&unix.ECHO)
	require.NotZero(t, mode.Lflag&unix.ICANON)
}

// TestPipedFromTerminal types a prompt for an answer that goes to a file: it
// has no escape codes in it.
func TestPipedFromTerminal(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	keyboard, stdin, err := pty.Open()
	require.NoError(t, err)
	defer func() { _ = keyboard.Close() }()
	cmd := exec.CommandContext(ctx, "lite", "run", "tiny", "--tier-set", "fast", "--max-tokens", "3", "--seed", "1")
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	require.NoError(t, cmd.Start())
	_, err = fmt.Fprintf(keyboard, "In the beginning\n%s", ctrlD)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait(), errs.String())
	require.True(t, strings.HasPrefix(out.String(), "In the beginning"))
	require.NotContains(t, out.String(), "\x1b")
	require.Equal(t, "Type the prompt, and Ctrl-D on a line of its own.\n", errs.String())
}

// buffer collects what a process writes, and tells when the first of it comes.
type buffer struct {
	mu    sync.Mutex
	b     bytes.Buffer
	first chan struct{}
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.b.Len() == 0 {
		close(b.first)
	}
	return b.b.Write(p)
}

// TestRunInterrupt keeps what was said until Ctrl-C.
func TestRunInterrupt(t *testing.T) {
	model := randomModel(t, t.TempDir(), "llama")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "lite", "run", model, "bali", "--ignore-end", "--context", "200000", "--memory", "1GiB")
	out, errs := &buffer{first: make(chan struct{})}, &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, errs
	require.NoError(t, cmd.Start())
	<-out.first
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait()
	require.Equal(t, exitInterrupted, cmd.ProcessState.ExitCode(), errs.String())
	require.Regexp(t, `^seed \d+\nlite: interrupted\n$`, errs.String())
	require.True(t, strings.HasSuffix(out.b.String(), "\n"))
}

// TestInterruptWhileReading ends at once when nothing comes on standard input.
func TestInterruptWhileReading(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, "lite", "run", "tiny")
	keyboard, stdin, err := pty.Open()
	require.NoError(t, err)
	defer func() { _ = keyboard.Close() }()
	errs := &buffer{first: make(chan struct{})}
	c.Stdin, c.Stderr = stdin, errs
	require.NoError(t, c.Start())
	<-errs.first // it waits for a prompt
	require.NoError(t, c.Process.Signal(os.Interrupt))
	_ = c.Wait()
	require.Equal(t, exitInterrupted, c.ProcessState.ExitCode())
}
