//go:build !linux

package main

// directFlag is nothing where there are no direct writes.
const directFlag = 0
