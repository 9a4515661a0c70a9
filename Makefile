# `make help` lists the targets. Tools are installed into .tools at the versions of tools/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
include tools/versions.mk

HOSTS ?= 1000
JOBS  ?= 200
SEEDS ?= 2000
DURATION ?=
SEED  ?=
STORE ?= sqlite
FUZZTIME ?= 10s

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# main.version is the end-process's: it is too small to import setup.
LDFLAGS := -s -w -X github.com/ccs-project/ccs/cmd/internal/setup.version=$(VERSION) -X main.version=$(VERSION)

# Servers are bin/ccs-<name>, what a person types is bin/<name>; only what exists is built.
SERVERS  := $(foreach c,access scheduler aggregator agent executor endprocess issuer,$(if $(wildcard cmd/$c/main.go),bin/ccs-$c))
COMMANDS := $(foreach c,ccsctl ccshost devcluster swarm,$(if $(wildcard cmd/$c/main.go),bin/$c))
BINARIES := $(SERVERS) $(COMMANDS)

GOLANGCI_LINT := .tools/bin/golangci-lint-$(GOLANGCI_LINT_VERSION)
BUF_INSTALLED := .tools/buf/installed
BUF           := .tools/buf/node_modules/.bin/buf
CHECKS        := check-format check-lint check-vet check-mod check-proto check-gen check-arch

.PHONY: help build $(BINARIES) gen format check $(CHECKS) test race sim planted-bugs fuzz torture-jobs torture-host e2e degrade cover demo smoke sim-scale bench-core bench-store bench-host bench-history bench-swarm bench-latency clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

build: $(BINARIES) ## build every binary into bin/

# Go knows what is up to date, so these always run. No cgo: a binary runs on any Linux.
$(SERVERS): bin/ccs-%:
	@CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $@ ./cmd/$*
$(COMMANDS): bin/%:
	@CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $@ ./cmd/$*

gen: $(BUF_INSTALLED) ## generate api/gen from api/proto
	$(BUF) generate

format: $(GOLANGCI_LINT) ## format the Go code
	$(GOLANGCI_LINT) fmt

check: ## everything that needs no test run: format, lint, protos, generated code, modules, architecture
	@$(MAKE) --no-print-directory --keep-going $(CHECKS)

check-format: $(GOLANGCI_LINT)
	@tools/timed format $(GOLANGCI_LINT) fmt --diff
check-lint: $(GOLANGCI_LINT)
	@tools/timed lint $(GOLANGCI_LINT) run
check-vet:
	@tools/timed vet go vet ./...
check-mod:
	@tools/timed modules go mod tidy -diff
check-proto: $(BUF_INSTALLED)
	@tools/timed buf-lint $(BUF) lint
	@tools/timed buf-breaking tools/buf/breaking $(BUF)
check-gen: $(BUF_INSTALLED)
	@tools/timed generated-code tools/buf/drift $(BUF)
# Uncached: the cache cannot see files that were added elsewhere.
check-arch:
	@tools/timed architecture go test -count=1 ./internal/archtest/...

test: build ## unit, conformance, in-process cluster and end-to-end tests, under the race detector
	@tools/gotest/stages

e2e: build ## only the end-to-end tests, with the real binaries
	@tools/gotest/stages e2e

race: build ## every test again under the race detector, nothing from the cache
	@GOFLAGS="$(GOFLAGS) -count=1" tools/gotest/stages

sim: ## run SEEDS seeds of the simulation (default 2000); ARGS="-seed=7" runs one, with its transcript
	go test ./internal/sim -count=1 -v -timeout 60m -run TestEverySeedKeepsThePromises -args -seeds=$(SEEDS) $(ARGS)

planted-bugs: ## plant every bug in turn and find it by a promise that it breaks
	go test -tags planted ./internal/sim -count=1 -v -timeout 60m -run TestEveryPlantedBugIsFound -args -seeds=6000
	go test -tags planted ./internal/sim/scale -count=1 -v -run TestAPlantedBugIsFoundInTheFleetToo
	go test -tags planted ./internal/bugs -count=1 -timeout 15m -run TestEveryPlantedBugIsFound

sim-scale: ## the whole fleet of architecture section 10 in virtual time: 500,000 hosts, 200 rooms, 10,001 jobs (about a minute, 2 GiB)
	@go test ./internal/sim/scale -count=1 -v -timeout 30m -run 'TestTheFleetIsServed|TestASmallJobCosts' -args -hosts=500000 -rooms=200 -jobs=10000 $(ARGS)

torture-jobs: build ## kill and freeze a working cluster at random for DURATION (default 3m), SEED=, STORE=sqlite|postgres; the verdict is read outside CCS
	@DURATION=$(or $(DURATION),3m) SEED=$(SEED) STORE=$(STORE) CCS_BIN=$(CURDIR)/bin go test -race ./e2e/torture -count=1 -v -timeout 60m -run TestNothingIsLost

torture-host: build ## kill agents, executors and end-processes of hosts at random for DURATION (default 2m), and take their power twice, SEED=; needs root; the verdict is read outside CCS
	@DURATION=$(or $(DURATION),2m) SEED=$(SEED) CCS_BIN=$(CURDIR)/bin go test -race ./e2e/hosttorture -count=1 -v -timeout 60m -run TestEachCommandEndsAsItDid

bench-core: ## speed of the job core and bytes live per pending task, each beside its budget
	@go test ./internal/sim/scale -count=1 -v -run TestTheCoreKeepsItsBudgets -args -hosts=500000 -rooms=200

bench-history: ## what 10 million old tasks cost list, get, start-up and commit, on SQLite beside a store without, and on PostgreSQL (some minutes, 4 GiB of disk)
	@go test ./pkg/state/store/sqlite -count=1 -v -timeout 60m -run TestAnOldHistory -args -history=10000000
	@go test ./pkg/state/store/postgres -count=1 -v -timeout 60m -run TestOldTasksSlowNothingDown -args -old-tasks=10000000

degrade: build ## etcd, the store, both and a room away for minutes, with real processes (about 8 minutes)
	@CCS_DEGRADE=full CCS_BIN=$(CURDIR)/bin go test ./e2e/degrade -count=1 -v -timeout 30m

bench-store: ## task results a second that SQLite and PostgreSQL make durable, beside bare COPY and upsert; ARGS="-rounds=100"
	@set -o pipefail; go test ./internal/benchstore -count=1 -v -timeout 30m -args -judge -rounds=30 $(ARGS) | grep -v '^=== '

bench-host: build ## durable commands a second through the executor, 1, 8 and 64 at a time, beside bare fork+exec and a floor of the same fsyncs; ARGS="-rounds=50"
	@set -o pipefail; CCS_BIN=$(CURDIR)/bin go test ./internal/benchhost -count=1 -v -timeout 30m -args -judge -rounds=15 $(ARGS) | grep -v '^=== '

fuzz: ## fuzz every parser of what is on a host's disk, FUZZTIME each (default 10s); make test runs what was found before
	@for f in $$(go test ./pkg/host/spool -list '^Fuzz' | grep '^Fuzz'); do \
		go test ./pkg/host/spool -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) || exit 1; done

cover: build ## test coverage of pkg into coverage.out
	go test -coverpkg=./pkg/... -coverprofile=coverage.out ./pkg/... ./internal/...
	go tool cover -func=coverage.out | tail -n 1

demo: build ## start a local cluster of real processes, run two jobs, leave it up until Ctrl-C
	@exec bin/devcluster

smoke: build ## the demo without a person: start, run, check every answer, stop
	@exec bin/devcluster smoke

bench-swarm: build ## time of a ping to HOSTS simulated hosts (default 1000)
	@exec bin/swarm --hosts $(HOSTS)

bench-latency: build ## time from the submission of a job to its start on an idle cluster, JOBS times (default 200)
	@exec bin/devcluster latency --jobs $(JOBS)

clean: ## remove what build and cover made; installed tools stay
	rm -rf bin coverage.out

# The version is part of the file's name, so another one is installed beside it.
$(GOLANGCI_LINT):
	@mkdir -p .tools/bin
	@echo "installing golangci-lint $(GOLANGCI_LINT_VERSION), about 150 s"
	@GOBIN=$(CURDIR)/.tools/install GOFLAGS= tools/timed golangci-lint-install \
		go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@mv .tools/install/golangci-lint $@
	@rmdir .tools/install

# The checksums are in the lock file; scripts of packages are not run.
$(BUF_INSTALLED): tools/buf/package-lock.json tools/buf/package.json tools/buf/.npmrc
	@tools/need npm:npm
	@mkdir -p .tools/buf
	@cp $^ .tools/buf/
	@cd .tools/buf && ../../tools/timed buf-install npm ci --ignore-scripts --silent
	@touch $@
