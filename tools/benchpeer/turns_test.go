package main

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTake interleaves, and goes on without what failed.
func TestTake(t *testing.T) {
	var order []string
	turns := []turn{
		{"a", func(context.Context) (values, error) {
			order = append(order, "a")
			return values{"x": float64(len(order))}, nil
		}},
		{"b", func(context.Context) (values, error) {
			order = append(order, "b")
			return nil, errors.New("killed")
		}},
	}
	got, err := take(context.Background(), "test", 3, turns)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "a", "a"}, order)
	require.Equal(t, []float64{1, 3, 4}, got[0].each(named("x")))
	require.EqualError(t, got[1].err, "killed")

	var out bytes.Buffer
	c := &config{ledger: &ledger{out: &out}}
	require.NoError(t, c.beside(row{model: "m", work: "w", unit: "u", peer: "b"}, &got[0], named("x"), &got[1], named("x")))
	require.NoError(t, c.beside(row{model: "m", work: "w", unit: "u", peer: "a"}, &got[1], named("x"), &got[0], named("x")))
	require.NoError(t, c.beside(row{model: "m", work: "w", unit: "u", peer: "a"}, &got[0], named("x"), &got[0], named("x")))
	require.Equal(t, "m, w: 3 (1–4) u [failed: killed]\nm, w: [failed: killed]\nm, w: 3 (1–4) u; a 3 (1–4): ratio 1 (1–1)\n", out.String())
	require.Equal(t, 2, c.ledger.failures)
}

func TestTakeIsBrokenOff(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	_, err := take(ctx, "test", 3, []turn{{"a", func(context.Context) (values, error) {
		cancel()
		return nil, errors.New("killed by it")
	}}})
	require.ErrorIs(t, err, context.Canceled)
}
