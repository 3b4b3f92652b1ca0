package lite

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/pack"
	"github.com/lite-llm/lite/internal/packing"
	"github.com/lite-llm/lite/internal/tiny"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/gguf"
)

// PackOptions say how a pack is made. The zero value is a good choice.
type PackOptions struct {
	// ShardBytes is the most bytes of a shard; 0 is 1 GiB.
	ShardBytes int64
	// Key signs the pack; nil leaves it without a signature.
	Key ed25519.PrivateKey
	// Progress is told how many bytes of all are written; nil when nobody asks.
	Progress func(done, all int64)

	fs vfs.FS // of the model's path; nil is the system's
}

// PackInfo says what was packed.
type PackInfo struct {
	Path   string `json:"path"`
	Digest string `json:"manifest_sha256"`
	// SignedBy is the id of the key that signed it, empty without a signature.
	SignedBy string `json:"signed_by"`
	Bytes    int64  `json:"bytes"` // of its shards and its trunk
	Shards   int    `json:"shards"`
}

// Pack writes the model at path, which may be whatever Open takes, as a pack in
// the directory out, which must not exist. It needs a few megabytes of memory.
// The pack appears as a whole or not at all; what an interrupted call wrote is in
// out.partial, and the same call goes on from there. Equal models and options give
// equal bytes.
func Pack(ctx context.Context, path, out string, o PackOptions) (*PackInfo, error) {
	opt := settled{Options: Options{fs: o.fs}}
	if opt.fs == nil {
		opt.fs = vfs.OS{}
	}
	if path == tiny.Name {
		opt.fs = vfs.Mem{tiny.Name: tiny.GGUF}
	}
	w, p, err := describe(path, &opt)
	if err != nil {
		return nil, err
	}
	m, err := model.Build(w.Source(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := packing.Match(p, m, path); err != nil {
		return nil, err
	}
	naming, names := packing.Of(m)
	sink, err := pack.NewDir(out)
	if err != nil {
		return nil, err
	}
	_, err = pack.Write(ctx, sink, &pack.Job{
		FS: opt.fs, Model: w, Naming: *naming, Tensors: names, ShardBytes: o.ShardBytes, Key: o.Key, Progress: o.Progress,
	})
	if err != nil {
		return nil, err
	}
	made, err := pack.Open(vfs.OS{}, out, pack.Options{})
	if err != nil {
		return nil, err
	}
	return packInfo(made, out), nil
}

func packInfo(p *pack.Pack, path string) *PackInfo {
	info := &PackInfo{Path: path, Digest: p.Digest, SignedBy: p.SignedBy, Shards: len(p.Model.Objects) - 1}
	for _, o := range p.Model.Objects {
		info.Bytes += o.Size
	}
	return info
}

// describe reads the description of the model at path, which may be a pack.
func describe(path string, o *settled) (*weights.Model, *pack.Pack, error) {
	if path == tiny.Name || !pack.Is(o.fs, path) {
		if o.verify() {
			return nil, nil, &OptionError{What: path + " is not a pack, and only packs can be verified; 'lite pack' makes one"}
		}
		w, err := gguf.Open(o.fs, path)
		return w, nil, err
	}
	p, err := pack.Open(o.fs, path, pack.Options{Key: o.Key, Verify: o.verify()})
	if err != nil {
		return nil, nil, err
	}
	return p.Model, p, p.CheckSizes()
}

// VerifyOptions say how a pack is verified.
type VerifyOptions struct {
	// Key must have signed the pack, when it is set.
	Key ed25519.PublicKey
	// Progress is told how many bytes of all were read; nil when nobody asks.
	Progress func(done, all int64)
}

// Verification is what VerifyPack found.
type Verification struct {
	PackInfo
	// Trusted says that the pack is signed by the key that was given.
	Trusted bool `json:"trusted"`
	// Damaged says what is not as the pack was made; empty for a whole pack.
	Damaged []Damage `json:"damaged"`
}

// Damage is a part of a pack that is not as the pack was made.
type Damage struct {
	File string `json:"file"`
	What string `json:"what"`
}

// VerifyPack reads every byte of the pack in the directory path and holds it
// against the pack's hashes, these against its manifest, and the manifest against
// its signature. The error says why the manifest or the trunk's description cannot
// be used, or is of the system; what is damaged beyond is in the result.
func VerifyPack(ctx context.Context, path string, o VerifyOptions) (*Verification, error) {
	p, err := pack.Open(vfs.OS{}, path, pack.Options{Key: o.Key, Verify: true})
	if err != nil {
		return nil, err
	}
	m, err := model.Build(p.Model.Source(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := packing.Match(p, m, path); err != nil {
		return nil, err
	}
	v := &Verification{PackInfo: *packInfo(p, path), Trusted: o.Key != nil, Damaged: []Damage{}}
	err = p.CheckAll(ctx, func(err error) {
		if e, ok := errors.AsType[*IntegrityError](err); ok {
			v.Damaged = append(v.Damaged, Damage{File: e.Object, What: e.Part})
		} else if e, ok := errors.AsType[*ManifestError](err); ok {
			v.Damaged = append(v.Damaged, Damage{File: e.Path, What: e.What})
		}
	}, o.Progress)
	return v, err
}
