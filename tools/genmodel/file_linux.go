package main

import "golang.org/x/sys/unix"

// directFlag opens a file for writing past the page cache.
const directFlag = unix.O_DIRECT
