# Everything a change must pass is .ci/run; these are its parts and the heavy runs.
.PHONY: build test vet race ci eval

build:
	CGO_ENABLED=0 go build -o bin/lite ./cmd/lite
test:
	go test ./...
vet:
	go vet ./...
race:
	CGO_ENABLED=1 go test -race ./internal/par ./internal/expert/... ./internal/rung/... ./internal/engine/...
ci:
	CI=true bash .ci/run
eval:
	go run ./cmd/lite eval tiny train/heldout.txt
