// Package pack reads and writes packs: a model laid out for tiers, in which an
// expert is one aligned read whose bytes can be checked before they are used.
// On the parameter's road it stands beside weights/gguf: both fill a
// weights.Model, and what is above does not see which of them did.
//
//	manifest.json             what is in the pack, canonical JSON (RFC 8785)
//	manifest.sig              an Ed25519 signature of it; may be absent
//	trunk.gguf  trunk.hashes  what every token uses
//	tiers/<tier>/L003-000.gguf   experts of layer 3, shard 0
//	tiers/<tier>/L003.hashes     the hashes of all shards of the layer
//
// A shard is an ordinary GGUF file. All shards of a pack have a head of one
// size, and all experts of a tier and layer have one size too, so that where an
// expert stands is computed from the manifest and no shard is opened to find it:
//
//	0            head: keys, and a tensor's name for each projection of each expert
//	head         group head (in the first shard), expert heads of the shard's groups
//	             expert: gate | pad | up | pad | down | pad
//	             expert: gate | pad | up | pad | down | pad
//	             …                                    pad: zeros up to 4096
//
// Trust goes one way: the signature covers manifest.json, which has one BLAKE3
// root for each tier and layer, which covers the .hashes file, which covers every
// expert, head and shard head. docs/format/pack.md has the bytes.
package pack
