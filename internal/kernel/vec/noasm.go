//go:build !amd64 || purego

package vec

// Builds without assembly run the reference only: Kernels.whole is 0 there.

func expAVX2(_, _ []float32)                     {}
func siluMulAVX2(_, _, _ []float32)              {}
func squaresAVX2(_ *[lanes]float32, _ []float32) {}
func scaleMulAVX2(_, _, _ []float32, _ float32)  {}
func addAVX2(_, _, _ []float32)                  {}
func addScaledAVX2(_, _ []float32, _ float32)    {}
