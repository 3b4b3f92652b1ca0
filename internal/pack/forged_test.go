package pack_test

import (
	"bytes"
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/pack"
	"github.com/lite-llm/lite/internal/vfs"
)

// forge changes a byte of the first shard of tier a at layer 0 and makes that many
// of the hashes above it fit: its leaf, its shard's root, and the manifest's.
func forge(t *testing.T, whole vfs.Mem, at int64, levels int) vfs.Mem {
	t.Helper()
	fsys := clone(whole)
	p, err := pack.Open(fsys, dir, pack.Options{})
	require.NoError(t, err)
	shard, hashes := path.Join(dir, "tiers/a/L000-000.gguf"), path.Join(dir, "tiers/a/L000.hashes")
	before := bytes.Clone(fsys[shard])
	fsys[shard][at] ^= 1
	// The leaves of one shard follow its root; the changed one is that whose hash is
	// not there any more.
	x, _ := p.Model.Tensor("blk.0.tier.0.ffn_gate_exps.weight")
	first, err := x.Slice(0, 4)
	require.NoError(t, err)
	second, err := x.Slice(1, 4)
	require.NoError(t, err)
	stride := second.Off - first.Off
	down, _ := p.Model.Tensor("blk.0.tier.0.ffn_down_exps.weight")
	last, err := down.Slice(0, 4)
	require.NoError(t, err)
	span := last.Off + last.Len - first.Off
	lo, hi, index := int64(0), p.Manifest.ShardHead, 0
	if at >= first.Off {
		n := (at - first.Off) / stride
		lo, hi, index = first.Off+n*stride, first.Off+n*stride+span, int(n)+4 // head, group head, two expert heads
	}
	old, now := pack.Sum(before[lo:hi]), pack.Sum(fsys[shard][lo:hi])
	b := fsys[hashes]
	leaf := b[pack.HashSize*(1+index):][:pack.HashSize]
	require.Equal(t, old[:], leaf)
	if levels > 0 {
		copy(leaf, now[:])
	}
	if levels > 1 {
		root := pack.Sum(b[pack.HashSize:])
		copy(b, root[:])
	}
	if levels > 2 {
		p.Manifest.Tiers[0].Layers[0].Root = pack.Sum(b[:pack.HashSize])
		fsys[path.Join(dir, pack.ManifestName)], err = p.Manifest.Encode()
		require.NoError(t, err)
	}
	return fsys
}

// TestForged changes an expert and the hashes above it, one level after the other:
// each is held to the next, up to the manifest, which the signature holds.
func TestForged(t *testing.T) {
	private, _, err := pack.GenerateKey()
	require.NoError(t, err)
	key, err := pack.ParsePrivate(private)
	require.NoError(t, err)
	public, err := pack.ParsePublic(private)
	require.NoError(t, err)
	whole := small(t, "lite", key)
	p, err := pack.Open(whole, dir, pack.Options{})
	require.NoError(t, err)
	x, _ := p.Model.Tensor("blk.0.tier.0.ffn_up_exps.weight")
	r, err := x.Slice(2, 4)
	require.NoError(t, err)
	for levels, want := range []string{
		"expert 2 of layer 0 in tier a", "the hashes of shard 0 of layer 0 of tier a", "the hashes of layer 0 of tier a",
	} {
		fsys := forge(t, whole, r.Off+5, levels)
		for _, opt := range []pack.Options{{}, {Key: public}} {
			err := use(fsys, opt)
			var bad *pack.IntegrityError
			require.ErrorAs(t, err, &bad)
			require.Equal(t, want, bad.Part)
		}
	}
	fsys := forge(t, whole, r.Off+5, 3)
	require.NoError(t, use(fsys, pack.Options{}), "this is another pack")
	var bad *pack.SignatureError
	require.ErrorAs(t, use(fsys, pack.Options{Key: public}), &bad)
}

// TestALyingHead holds that a shard whose head says something else than the
// manifest is refused, even when its maker made all hashes fit.
func TestALyingHead(t *testing.T) {
	whole := small(t, "lite", nil)
	at := bytes.Index(whole[path.Join(dir, "tiers/a/L000-000.gguf")], []byte("expert.0000000001"))
	require.Positive(t, at)
	err := use(forge(t, whole, int64(at)+16, 3), pack.Options{})
	var bad *pack.ManifestError
	require.ErrorAs(t, err, &bad)
	require.ErrorContains(t, err, "a head that does not describe what the manifest says")
}
