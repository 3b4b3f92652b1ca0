package pack

// What the tests of other packages' view of a pack need to see.
var (
	Decode = decode
	Sum    = sum
)

// Encode is the manifest's canonical bytes.
func (m *Manifest) Encode() ([]byte, error) { return m.encode() }
