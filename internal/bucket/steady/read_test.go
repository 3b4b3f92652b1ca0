package steady

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestRead runs reads of testdata/read: what happens to them, and what is done.
//
//	read [late=20ms] [attempts=N] [retries=N] [rand=0.5]   a new read, at 0
//	answered N / done N / failed N [final] / moved         what happens
//	at T                                                   the time, and a tick
//	run                                                    ticks until only an event helps
func TestRead(t *testing.T) {
	datadriven.RunTest(t, "testdata/read", func(t *testing.T, d *datadriven.TestData) string {
		require.Equal(t, "read", d.Cmd)
		opt := Options{Rand: func() float64 { return 0.5 }}
		retries, late := 64.0, time.Duration(0)
		for _, a := range d.CmdArgs {
			switch a.Key {
			case "attempts":
				a.Scan(t, 0, &opt.Attempts)
			case "retries":
				a.Scan(t, 0, &retries)
			case "late":
				late = duration(t, a.Vals[0])
			case "hedges":
			default:
				t.Fatalf("what is %s", a.Key)
			}
		}
		opt = opt.settle()
		opt.Retries = retries
		q := newQuota(&opt)
		if d.HasArg("hedges") {
			q.mu.hedges = 0
		}
		m := machine{t: t, r: newRead(&opt, q, late)}
		m.note(m.r.begin(0))
		for line := range strings.SplitSeq(d.Input, "\n") {
			m.line(line)
		}
		fmt.Fprintf(&m.out, "made %d, left %.1f retries, %.2f hedges\n", m.r.made, q.mu.retries, q.mu.hedges)
		return m.out.String()
	})
}

func duration(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	require.NoError(t, err)
	return d
}

type machine struct {
	t   *testing.T
	r   *read
	now time.Duration
	out strings.Builder
}

func (m *machine) line(line string) {
	f := strings.Fields(line)
	n := 0
	if len(f) > 1 {
		_, _ = fmt.Sscan(f[1], &n)
	}
	switch f[0] {
	case "at":
		m.now = duration(m.t, f[1])
		m.note(m.r.tick(m.now))
	case "run":
		for {
			at, ok := m.r.wake()
			if !ok {
				return
			}
			m.now = max(m.now, at)
			do := m.r.tick(m.now)
			m.note(do)
			if len(do) == 0 {
				continue
			}
			return
		}
	case "answered":
		_, do := m.r.answered(n, m.now)
		m.note(do)
	case "moved":
		m.r.moved(m.now)
	case "done":
		m.note(m.r.done(n))
	case "failed":
		m.note(m.r.failed(n, len(f) > 2, m.now))
	default:
		m.t.Fatalf("what is %q", line)
	}
}

func (m *machine) note(do []action) {
	for _, a := range do {
		name := [...]string{"start", "cancel", "take", "finish", "give up"}[a.kind]
		if a.kind == giveUp {
			fmt.Fprintf(&m.out, "%v %s: %s\n", m.now, name, a.why)
			continue
		}
		fmt.Fprintf(&m.out, "%v %s %d\n", m.now, name, a.attempt)
	}
}

func TestPercentile(t *testing.T) {
	var l latencies
	require.Zero(t, l.percentile(0.95))
	for i := range 15 {
		l.note(time.Duration(i))
	}
	require.Zero(t, l.percentile(0.95), "too few to say")
	for i := 15; i < 400; i++ {
		l.note(time.Duration(i))
	}
	require.Equal(t, time.Duration(272+121), l.percentile(0.95), "of the last 128")
	require.Equal(t, time.Duration(399), l.percentile(1))
}
