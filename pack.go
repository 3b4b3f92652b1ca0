package lite

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/pack"
	"github.com/lite-llm/lite/internal/packing"
	"github.com/lite-llm/lite/internal/rung/synth"
	"github.com/lite-llm/lite/internal/tiny"
	"github.com/lite-llm/lite/internal/vfs"
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
	// Tiers divide the experts of a flat model; nil leaves them as they are.
	Tiers *TierPlan
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
	m := &Model{opt: settled{Options: Options{Tiers: o.Tiers, fs: vfs.OS{}}}}
	if path == tiny.Name {
		m.opt.fs = vfs.Mem{tiny.Name: tiny.GGUF}
	}
	if err := m.describe(path); err != nil {
		return nil, err
	}
	built, err := m.build(nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	naming, names := packing.Of(built, m.opt.Tiers)
	if m.pack != nil && o.Tiers == nil { // whose tiers go on as they were
		for i := range naming.Tiers {
			old := &m.pack.Manifest.Tiers[i]
			naming.Tiers[i].Budget, naming.Tiers[i].Placement, naming.Tiers[i].Access = old.Budget, old.Placement, old.Access
		}
	}
	sink, err := pack.NewDir(out)
	if err != nil {
		return nil, err
	}
	_, err = pack.Write(ctx, sink, &pack.Job{
		FS: m.opt.fs, Model: m.w, Naming: *naming, Tensors: names, ShardBytes: o.ShardBytes, Key: o.Key, Progress: o.Progress,
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

// describe reads the description of the model at path, which may be a pack, whose
// tier plan holds unless there is another one.
func (m *Model) describe(path string) error {
	if synth.Is(path) && m.remote == nil {
		return m.synthesize(path)
	}
	is, err := isPack(path, &m.opt)
	if err != nil {
		return err
	}
	if !is {
		if m.opt.verify() {
			return &OptionError{What: path + " is not a pack, and only packs can be verified; 'lite pack' makes one"}
		}
		m.w, err = gguf.Open(m.opt.fs, path)
		return err
	}
	m.pack, err = pack.Open(m.opt.fs, path, pack.Options{Key: m.opt.Key, Verify: m.opt.verify() || m.opt.remote})
	if err != nil {
		return err
	}
	m.w = m.pack.Model
	plan, err := fit(m.pack, path)
	if err != nil {
		return err
	}
	if m.opt.Tiers == nil {
		m.opt.Tiers, m.shards = plan, true
	}
	if m.opt.remote { // each object is looked at when it is first read
		return nil
	}
	return m.pack.CheckSizes()
}

// fit holds a pack's manifest against the model that its trunk describes, and
// returns the plan by which it was divided, or nil.
func fit(p *pack.Pack, path string) (*TierPlan, error) {
	m, err := model.Build(p.Model.Source(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	plan, err := packing.Plan(p, m)
	if err == nil && plan != nil {
		err = m.Divide(plan)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return plan, packing.Match(p, m, path)
}

// isPack says whether there is a pack at path. A store that does not answer is an
// error.
func isPack(name string, o *settled) (bool, error) {
	if name == tiny.Name || !o.remote {
		return name != tiny.Name && pack.Is(o.fs, name), nil
	}
	f, err := o.fs.Open(path.Join(name, pack.ManifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
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
	if _, err := fit(p, path); err != nil {
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
