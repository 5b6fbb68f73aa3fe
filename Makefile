# The targets of daily work. "make check" is what CI runs.
# The steps themselves stand in .ci/run, so that both do the same.

.DEFAULT_GOAL := help
LINT := go tool -modfile=tools/golangci-lint.mod golangci-lint

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

.PHONY: check
check: ## everything that CI runs (about 20 minutes on two cores from nothing)
	bash .ci/run

.PHONY: build
build: ## the four programs in bin/
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/...

.PHONY: run
run: ## everything in one process, with the demo enterprise
	go run ./cmd/peering serve --demo

.PHONY: demo-bus
demo-bus: ## publish commands in the plain NATS protocol and follow their outcomes
	bash scripts/demo-bus

.PHONY: test
test: ## all tests; what is absent from the machine is skipped
	go test ./...

.PHONY: race
race: ## the concurrent packages under the race detector
	bash .ci/run race

.PHONY: e2e
e2e: ## the built programs, used as people use them
	go test -count=1 ./internal/e2e/...

.PHONY: bench
bench: ## benchmarks, ours beside the reference in the same run (about a quarter of an hour)
	go test -run '^$$' -bench . -benchtime 1x -timeout 30m ./bench/...
	go test -run '^$$' -bench Handle -benchtime 2000x -timeout 10m ./internal/command
	go test -run '^$$' -bench . -benchmem ./internal/events ./internal/domain

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10000x)
	bash .ci/run fuzz

.PHONY: lint
lint: ## the rules of .golangci.yaml
	$(LINT) run

.PHONY: fmt
fmt: ## format all Go code
	$(LINT) fmt

.PHONY: generate
generate: ## golden files of new events, the README's settings; published events must not change
	go generate ./...
	go test ./internal/events ./internal/archtest -update
