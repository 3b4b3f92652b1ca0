package sparsify

import (
	"cmp"
	"math"
	"slices"
)

const (
	// clusterRounds is how often neurons are divided anew: little moves after.
	clusterRounds = 6
	// clusterTokens is how many tokens' contributions describe a neuron, at most.
	clusterTokens = 512
)

// cluster divides neurons, which come by strength, into equal clusters of those
// that are strong on the same tokens: spherical k-means whose clusters have room
// for size neurons each.
func (l *Layer) cluster(neurons []int, size int) [][]int {
	features := l.features(neurons)
	k, dim := len(neurons)/size, len(features)/len(neurons)
	centres := make([]float32, k*dim)
	for c := range k { // neurons of every strength
		copy(centres[c*dim:(c+1)*dim], features[c*size*dim:])
	}
	var clusters [][]int
	for range clusterRounds {
		clusters = assign(features, centres, size, dim)
		clear(centres)
		for c, members := range clusters {
			centre := centres[c*dim : (c+1)*dim]
			for _, m := range members {
				for j, f := range features[m*dim : (m+1)*dim] {
					centre[j] += f
				}
			}
			normalize(centre)
		}
	}
	for _, members := range clusters {
		for i, m := range members {
			members[i] = neurons[m]
		}
	}
	return clusters
}

// features describe each neuron by how strong it is on some tokens, spread over
// the text: the square root tames what few tokens do, and the mean is taken off so
// that a neuron is like those that are strong when it is, and not like all.
func (l *Layer) features(neurons []int) []float32 {
	dim := min(l.Tokens, clusterTokens)
	features := make([]float32, len(neurons)*dim)
	for j := range dim {
		row := l.H[j*l.Tokens/dim*l.Neurons:]
		for n, i := range neurons {
			features[n*dim+j] = float32(math.Sqrt(float64(row[i])))
		}
	}
	for n := range neurons {
		f := features[n*dim : (n+1)*dim]
		mean := float32(0)
		for _, v := range f {
			mean += v / float32(dim)
		}
		for j := range f {
			f[j] -= mean
		}
		normalize(f)
	}
	return features
}

// normalize makes a vector one long, unless it is zero.
func normalize(v []float32) {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return
	}
	r := float32(1 / math.Sqrt(sum))
	for i := range v {
		v[i] *= r
	}
}

// pair is a neuron, a centre, and how alike they are.
type pair struct {
	likeness        float32
	neuron, cluster int32
}

// assign gives each neuron to the most alike centre that has room, the most alike
// pairs first. Equal pairs go by number, so that the same text gives the same cut.
func assign(features, centres []float32, size, dim int) [][]int {
	n, k := len(features)/dim, len(centres)/dim
	pairs := make([]pair, 0, n*k)
	for i := range n {
		f := features[i*dim : (i+1)*dim]
		for c := range k {
			pairs = append(pairs, pair{dot(f, centres[c*dim:(c+1)*dim]), int32(i), int32(c)})
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(b.likeness, a.likeness), cmp.Compare(a.neuron, b.neuron), cmp.Compare(a.cluster, b.cluster))
	})
	clusters, taken := make([][]int, k), make([]bool, n)
	for _, p := range pairs {
		if !taken[p.neuron] && len(clusters[p.cluster]) < size {
			taken[p.neuron] = true
			clusters[p.cluster] = append(clusters[p.cluster], int(p.neuron))
		}
	}
	return clusters
}

// dot is four chains, which a processor runs side by side.
func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}
