package synth

import (
	"bytes"
	"context"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeebo/blake3"

	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/rungtest"
)

// small is a model whose layers have some MiB.
func small(t *testing.T, seed uint64) *Model {
	t.Helper()
	m, err := New(Spec{Params: 1.2e7, Layers: 2, Dim: 256, FF: 256, Seed: seed})
	require.NoError(t, err)
	return m
}

// contents is all bytes of an object, read at once.
func contents(t *testing.T, r *Rung, name string) []byte {
	t.Helper()
	o := r.m.objects[name]
	all := make([]byte, o.Size)
	require.NoError(t, r.ReadAt(context.Background(), o.Object, all, 0))
	return all
}

func TestConformance(t *testing.T) {
	m := small(t, 1)
	name := objectName(1)
	require.Greater(t, m.objects[name].Size, int64(2<<20))
	rungtest.Hold(t, m.Rung(), m.objects[name].Object, contents(t, m.Rung(), name))
}

// TestBytesDependOnTheirPlaceAlone reads records whole, in parts and in any order,
// and no two of them are alike.
func TestBytesDependOnTheirPlaceAlone(t *testing.T) {
	m := small(t, 1)
	r, rnd := m.Rung(), rand.New(rand.NewPCG(1, 1))
	seen := map[string]bool{}
	for _, o := range m.objects {
		all := contents(t, r, o.Name)
		for range 30 {
			off := rnd.Int64N(o.Size)
			p := make([]byte, 1+rnd.Int64N(o.Size-off))
			require.NoError(t, r.ReadAt(context.Background(), o.Object, p, off))
			require.True(t, bytes.Equal(all[off:off+int64(len(p))], p))
		}
		for _, s := range o.sections {
			for k := range s.count {
				record := string(all[s.off+k*s.record:][:s.record])
				require.False(t, seen[record], "two records are alike")
				seen[record] = true
			}
		}
	}
	require.Len(t, m.objects, 3)
	other := small(t, 2).Rung()
	require.NotEqual(t, contents(t, r, objectName(0)), contents(t, other, objectName(0)))
}

// TestBlocksAreValid decodes every tensor: no value is infinite or far from the
// others.
func TestBlocksAreValid(t *testing.T) {
	m := small(t, 3)
	r, types := m.Rung(), map[quant.Type]bool{}
	for x := range m.W.All() {
		p := make([]byte, x.Range.Len)
		require.NoError(t, r.ReadAt(context.Background(), x.Range.Object, p, x.Range.Off))
		v := make([]float32, x.Elements())
		quant.Dequantize(x.Type, v, p)
		var sum, square float64
		for _, f := range v {
			sum, square = sum+float64(f), square+float64(f)*float64(f)
		}
		n := float64(len(v))
		require.Less(t, square/n, 20.0, x.Name)
		require.Positive(t, square/n, x.Name)
		if x.Type != quant.F32 && len(v) > 10000 {
			require.Less(t, (sum/n)*(sum/n), square/n/50, "%s has a mean", x.Name)
		}
		types[x.Type] = true
	}
	require.Equal(t, map[quant.Type]bool{quant.F32: true, quant.Q8_0: true, quant.Q4_K: true}, types)
}

// damaging is a source that changes a byte after the digest was taken.
type damaging struct {
	source
	section int
	record  int64
}

func (d damaging) fetch(o *object, section int, record int64, p []byte) [32]byte {
	digest := d.source.fetch(o, section, record, p)
	if section == d.section && record == d.record {
		p[len(p)/2] ^= 1
	}
	return digest
}

// TestDamageIsSeen: a record that changed on the way is an error, for every read
// that touches it and no other.
func TestDamageIsSeen(t *testing.T) {
	m := small(t, 1)
	r := m.Rung()
	r.source = damaging{r.source, 2, 1} // the second expert's gate
	o := m.objects[objectName(0)]
	s := o.sections[2]
	for _, c := range []struct {
		off int64
		n   int64
		bad bool
	}{
		{s.off, s.record, false},
		{s.off + s.record, s.record, true},
		{s.off + s.record, 1, true},
		{s.off + 2*s.record - 1, 1, true},
		{s.off + 2*s.record, s.record, false},
		{s.off, 3 * s.record, true},
		{0, o.Size, true},
	} {
		err := r.ReadAt(context.Background(), o.Object, make([]byte, c.n), c.off)
		if !c.bad {
			require.NoError(t, err)
			continue
		}
		var re *rung.ReadError
		require.ErrorAs(t, err, &re)
		require.ErrorIs(t, err, ErrDigest)
		require.Equal(t, rung.ReadError{Object: o.Object, Off: c.off, Len: int(c.n), Err: ErrDigest}, *re)
	}
}

// TestGolden: the bytes of a model are the same on every machine.
func TestGolden(t *testing.T) {
	m := small(t, 1)
	hash := blake3.New()
	for layer := range 3 {
		_, _ = hash.Write(contents(t, m.Rung(), objectName(layer-1)))
	}
	require.Equal(t, "969890dbccda3a4b1595aac0c54c38aea16c99fd83a5a25fb6475f93bd88e7d2", hex.EncodeToString(hash.Sum(nil)))
}
