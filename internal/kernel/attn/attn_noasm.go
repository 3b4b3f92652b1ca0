//go:build !amd64 || purego

package attn

// tiles computes nothing: the reference takes all columns.
func (p *product) tiles() (cols int) { return 0 }
