# Everything a change must pass is .ci/run; most targets here are its stages.
.PHONY: build test lint fmt vet race purego fuzz sins qemu fused ci bench eval bench-peer

build:
	CGO_ENABLED=0 go build -o bin/lite ./cmd/lite
test:
	go test ./...
lint:
	go tool -modfile=tools/lint/go.mod golangci-lint run
fmt:
	go tool -modfile=tools/lint/go.mod golangci-lint fmt
vet race purego fuzz fused sins:
	bash .ci/run $@
# Builds for other processors, under an emulator.
qemu:
	bash .ci/run emulated
ci:
	bash .ci/run
# Short runs of every Go benchmark; what is kept goes to docs/bench/results.tsv.
bench:
	go test -run '^$$' -bench . -benchtime 200ms ./...
eval:
	go run ./cmd/lite eval tiny train/heldout.txt --random-routing
# Beside llama.cpp and the machine's limits, appended to docs/bench/results.tsv: hours,
# as root, on a quiet machine with npm, cmake and 25 GB of disk. BENCH=--help says more.
bench-peer:
	go run ./tools/benchpeer $(BENCH) tiny $(LITE_SMOLLM2) "genmodel:--shape olmoe-7b --quant Q4_K_M"
