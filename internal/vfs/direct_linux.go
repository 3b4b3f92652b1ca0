package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// directFile reads with O_DIRECT.
type directFile struct {
	*osFile
	conn  syscall.RawConn
	align int
}

// OpenDirect implements DirectFS with O_DIRECT.
func (OS) OpenDirect(name string) (DirectFile, error) {
	f, err := openRegular(name, unix.O_DIRECT)
	if errors.Is(err, unix.EINVAL) {
		return nil, &DirectError{Name: name, Err: err}
	}
	if err != nil {
		return nil, err
	}
	d := &directFile{osFile: f}
	if d.conn, err = f.SyscallConn(); err == nil {
		d.align, err = directAlign(d.conn)
	}
	if err != nil {
		_ = f.Close()
		return nil, &DirectError{Name: name, Err: err}
	}
	return d, nil
}

// directAlign asks the kernel what direct reads of the file must be aligned to.
// Kernels before 6.1, and file systems that do not say, get DirectAlign.
func directAlign(conn syscall.RawConn) (int, error) {
	var st unix.Statx_t
	var err error
	if cerr := conn.Control(func(fd uintptr) {
		err = unix.Statx(int(fd), "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &st)
	}); cerr != nil {
		return 0, cerr
	}
	if err != nil || st.Mask&unix.STATX_DIOALIGN == 0 {
		return DirectAlign, nil //nolint:nilerr // no statx: an old kernel, or a sandbox that filters the call
	}
	if st.Dio_offset_align == 0 {
		return 0, ErrNoDirect
	}
	return int(max(st.Dio_offset_align, st.Dio_mem_align)), nil
}

// Align implements DirectFile.
func (f *directFile) Align() int { return f.align }

// ReadAt implements File. It does not use os.File.ReadAt, which would follow
// the short read at the end of the file with one that is not aligned.
func (f *directFile) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || !aligned(p, off, f.align) {
		return 0, &AlignError{Name: f.Name(), Off: off, Len: len(p), Align: f.align}
	}
	done := 0
	for done < len(p) {
		n, err := f.pread(p[done:], off+int64(done))
		if err != nil {
			return done, &fs.PathError{Op: "read", Path: f.Name(), Err: err}
		}
		done += n
		if n == 0 || n&(f.align-1) != 0 {
			break
		}
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// pread reads once. Control holds the descriptor open meanwhile and, unlike
// RawConn.Read, does not keep other reads out.
func (f *directFile) pread(p []byte, off int64) (n int, err error) {
	cerr := f.conn.Control(func(fd uintptr) {
		for {
			n, err = unix.Pread(int(fd), p, off)
			if !errors.Is(err, unix.EINTR) {
				return
			}
		}
	})
	if cerr != nil {
		return 0, os.ErrClosed
	}
	return max(n, 0), err
}
