//go:build !amd64 || purego

package vec

// Builds without assembly have the reference only, for which Kernels.whole is
// zero; reaching a function below is a mistake of this package.

const noAssembly = "vec: this build has no assembly"

func expAVX2(_, _ []float32, _ float32)          { panic(noAssembly) }
func sigmoidAVX2(_, _ []float32)                 { panic(noAssembly) }
func siluMulAVX2(_, _, _ []float32)              { panic(noAssembly) }
func addAVX2(_, _, _ []float32)                  { panic(noAssembly) }
func mulAVX2(_, _, _ []float32)                  { panic(noAssembly) }
func scaleAVX2(_, _ []float32, _ float32)        { panic(noAssembly) }
func divAVX2(_, _ []float32, _ float32)          { panic(noAssembly) }
func scaleMulAVX2(_, _, _ []float32, _ float32)  { panic(noAssembly) }
func addScaledAVX2(_, _, _ []float32, _ float32) { panic(noAssembly) }
func blendAVX2(_, _, _ []float32, _, _ float32)  { panic(noAssembly) }
func squaresAVX2(_ *[lanes]float32, _ []float32) { panic(noAssembly) }
func sumAVX2(_ *[lanes]float32, _ []float32)     { panic(noAssembly) }
func maxAVX2(_ []float32) float32                { panic(noAssembly) }
