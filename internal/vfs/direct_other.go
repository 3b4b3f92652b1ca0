//go:build !linux

package vfs

// OpenDirect implements DirectFS. Only Linux is asked for direct reads, so far:
// elsewhere every file that can be opened is refused.
func (OS) OpenDirect(name string) (DirectFile, error) {
	f, err := openRegular(name, 0)
	if err != nil {
		return nil, err
	}
	_ = f.Close()
	return nil, &DirectError{Name: name, Err: ErrNoDirect}
}
