# Everything a change must pass is .ci/run; most targets here are its stages.
.PHONY: build test lint fmt vet race purego fuzz qemu fused ci bench eval

build:
	CGO_ENABLED=0 go build -o bin/lite ./cmd/lite
test:
	go test ./...
lint:
	go tool -modfile=tools/lint/go.mod golangci-lint run
fmt:
	go tool -modfile=tools/lint/go.mod golangci-lint fmt
vet race purego fuzz fused:
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
