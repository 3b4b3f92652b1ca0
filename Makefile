# Everything a change must pass is .ci/run; most targets here are its stages.
.PHONY: build test lint fmt vet race purego fuzz sins qemu fused ci bench eval bench-peer bench-paging

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
# Beside llama.cpp on the same files; needs npm, a quiet machine and 5 GB of disk.
bench-peer:
	go run ./tools/benchpeer tiny $(LITE_SMOLLM2) "genmodel:--shape olmoe-7b --quant Q4_K_M"
# The same in cgroups of 75, 50 and 25 percent of the file; as root.
bench-paging:
	go run ./tools/benchpeer --paging --rounds 3 "genmodel:--shape olmoe-7b --quant Q4_K_M"
