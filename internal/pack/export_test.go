package pack

// What the tests of other packages' view of a pack need to see.
var (
	Decode      = decode
	ChangedSums = sum
)

// Encode is the manifest's canonical bytes.
func (m *Manifest) Encode() ([]byte, error) { return m.encode() }

// HashBytes is the size of the file of hashes of a tier's first layer.
func (m *Manifest) HashBytes() int64 {
	s, err := m.shard(&m.Tiers[0], &m.Tiers[0].Layers[0])
	if err != nil {
		panic(err)
	}
	return s.g.hashBytes()
}
