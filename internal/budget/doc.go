// Package budget holds the proof that a cap on memory is hard: the real command
// runs models that are several times as large as the cgroup around it, which
// counts how often its limit was reached.
package budget
