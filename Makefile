# Everything a person types here; `make help` lists it. Real programs and linters are
# built into .tools/bin from the modules under tools/, which pin them. Nothing is
# installed outside this folder but Ansible and Chromium, which are no Go: see below.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

TOOLS   := $(CURDIR)/.tools/bin
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w \
	-X github.com/prometheus/common/version.Version=$(VERSION) \
	-X github.com/prometheus/common/version.Revision=$(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

PROGRAMS := $(TOOLS)/prometheus $(TOOLS)/alertmanager $(TOOLS)/node_exporter $(TOOLS)/victoria-logs $(TOOLS)/nats-server
LINTERS  := $(TOOLS)/gofumpt $(TOOLS)/staticcheck

# Packages whose tests run whole flows over days of samples, or the real programs: they
# share no memory that others' tests do not race for, and the race detector would make
# them several times as long.
WITHOUT_RACE := ./internal/e2e ./internal/eval ./internal/rca ./internal/ruletest ./internal/scenario

# Packages whose simulations of many series and weeks leave the race detector out: their
# tests say so under -short.
SIMULATED := ./detector ./detector/calibration

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 14

.PHONY: demo
demo: build $(PROGRAMS) ## see it work: real Prometheus, Alertmanager and node_exporter on loopback, a real CPU burn, a real remedy
	@go build -o bin/demo ./internal/demo && bin/demo

.PHONY: demo-check
demo-check: build $(PROGRAMS) ## the same unattended: exit 0 only if every step was seen through the programs' own APIs
	@go build -o bin/demo ./internal/demo && bin/demo --check

.PHONY: test
test: cc ansible chromium lint build $(PROGRAMS) ## everything: lint, unit, scenario, fuzz seeds, race, end to end with the real programs, simulations
	@$(MAKE) --no-print-directory -j2 test-programs test-packages # the first waits most of the time

.PHONY: test-programs
test-programs:
	go test -timeout 25m -parallel 8 ./internal/e2e

.PHONY: test-packages
test-packages:
	go test -timeout 15m $(SIMULATED) $(filter-out ./internal/e2e,$(WITHOUT_RACE))
	go test -race -short -timeout 15m $$(go list ./... | grep -vxF "$$(go list $(WITHOUT_RACE))")
	go test -run 'TestStorm$$' ./remediation
	go -C examples/grafana/generate test ./...

.PHONY: crash-points
crash-points: ## kill the process, and cut the power, at every call to the file system of a whole run: some minutes
	FORESHOCK_CRASH_POINTS=0 go test -v -timeout 60m ./journal ./app -run 'Crash'

.PHONY: cc
cc:
	@command -v "$$(go env CC)" >/dev/null || { echo "the race detector needs a C compiler: install gcc or clang"; exit 1; }

# For root on Debian and its kin; elsewhere the tests that need it say that they were not
# run, with -v.
.PHONY: ansible
ansible:
	@command -v ansible-playbook >/dev/null || { \
		echo "installing ansible-core, for the tests of the action ansible"; \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ansible-core >/dev/null; } || \
		echo "NOT TESTED: the action ansible, since ansible-playbook is not installed and cannot be here (apt-get install ansible-core)"

# As ansible above.
.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || { \
		echo "installing chromium, for the tests of the console"; \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
		echo "NOT TESTED: the console in a browser, since chromium is not installed and cannot be here (apt-get install chromium)"

.PHONY: build
build: ## build bin/foreshock
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/foreshock ./cmd/foreshock

.PHONY: reproducible
reproducible: ## build the commit twice, in different directories, and compare the binaries
	@tools/reproducible.sh

.PHONY: lint
lint: $(LINTERS) ## gofumpt, vet, staticcheck
	@unformatted=$$($(TOOLS)/gofumpt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	$(TOOLS)/staticcheck ./...

.PHONY: fmt
fmt: $(LINTERS) ## format every Go file
	$(TOOLS)/gofumpt -w $$(git ls-files '*.go')

.PHONY: bench
bench: ## Go benchmarks with allocations; compare two runs with .tools/bin/benchstat
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: bench-ingest
bench-ingest: build $(TOOLS)/prometheus ## compare Foreshock with the real Prometheus at taking in remote write; ARGS="-o markdown" and more: ARGS=--help
	@go build -o bin/bench-ingest ./internal/loadgen && bin/bench-ingest $(ARGS)

.PHONY: bench-plots
bench-plots: build $(TOOLS)/prometheus ## draw what a sample costs against series, cores and churn into docs/benchmarks
	@go build -o bin/bench-ingest ./internal/loadgen && bin/bench-ingest --plots docs/benchmarks $(or $(ARGS),--runs 1)

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME=30s each; `make test` runs their seeds
	@tools/fuzz.sh $(or $(FUZZTIME),30s)

.PHONY: soak
soak: build $(TOOLS)/alertmanager ## a day of samples in an hour, with churn, restarts and a downstream that flaps; fails where anything grows or a score is missing; DURATION=60m
	@go build -o bin/soak ./internal/soak && bin/soak soak --duration $(or $(DURATION),60m) $(ARGS)

.PHONY: chaos
chaos: build $(PROGRAMS) chaos-disk ## kill -9 at 50 random times under load, programs that stand still, a downstream that lies, damaged state; SEED=1
	@go build -o bin/soak ./internal/soak && bin/soak chaos --seed $(or $(SEED),1) $(ARGS)

.PHONY: chaos-disk
chaos-disk: build ## fill up and free the small file system that the state is on; it mounts one, in namespaces of its own
	@go build -o bin/soak ./internal/soak && unshare --map-root-user --mount bin/soak disk

.PHONY: apart
apart: build ## how long requests take beside a downstream that is dead or hostile, against one that is well; ARGS="--requests 200"
	@go build -o bin/soak ./internal/soak && bin/soak apart $(ARGS)

.PHONY: restart
restart: build ## kill a process of a million series and time its return; it must not tell what it would not have told; ARGS="--series 100000"
	@go build -o bin/soak ./internal/soak && bin/soak restart $(ARGS)

.PHONY: eval
eval: DATA := $(or $(FORESHOCK_EVAL_DATA),../shared/data)
eval: build ## measure the detector and what people use instead on labelled sets and on the synthetic suite; FORESHOCK_EVAL_DATA names the sets' folder
	@if [ -d "$(DATA)" ]; then bin/foreshock eval --baselines --synthetic "$(DATA)"; else echo "skipped the labelled sets: no data at $(DATA)"; bin/foreshock eval --synthetic; fi

.PHONY: eval-rca
eval-rca: DATA := $(or $(FORESHOCK_EVAL_DATA),../shared/data)
eval-rca: build ## measure how often the cause of an incident is found, on seeded faults and on labelled sets; FORESHOCK_EVAL_DATA names the sets' folder
	@if [ -d "$(DATA)/causes" ]; then bin/foreshock eval-rca --stream "$(DATA)"; else echo "skipped the labelled sets: no data at $(DATA)/causes"; bin/foreshock eval-rca --stream; fi

.PHONY: e2e-k8s
e2e-k8s: $(TOOLS)/kube-apiserver $(TOOLS)/etcd ## act in a real Kubernetes API server, whose first build takes ten minutes; ARGS=-record writes the conversations that `make test` replays
	go test ./remediation -count 1 -timeout 15m -run Kubernetes -kubernetes $(TOOLS) $(ARGS)

.PHONY: sim
sim: ## simulated lives of the whole process among bad networks and kills; SEEDS=200, from SEED=1; a failure prints its seed
	go test ./app -run TestSimulation -timeout 2h -v -sim.seeds $(or $(SEEDS),200) -sim.first $(or $(SEED),1)

.PHONY: storm
storm: ## 10 000 simulated storms of alerts, crashes, set clocks and pauses over remediation; a failure prints its seed
	go test ./remediation -run 'TestStorm$$' -timeout 2h -v -storms $(or $(STORMS),10000) -storm.seed $(or $(SEED),1)

.PHONY: storm-real
storm-real: build $(PROGRAMS) ## 100 storms with three real Alertmanagers, the real binary killed in the middle
	go test ./internal/e2e -run TestRealStorm -timeout 2h -v -real-storms $(or $(STORMS),100)

.PHONY: docs
docs: ## regenerate the reference pages that tests hold against the code
	go test ./config ./cmd/foreshock ./internal/ruletest ./rules/mixin ./app -run Docs -update
	go -C examples/grafana/generate run . ..

.PHONY: screenshots
screenshots: chromium build $(PROGRAMS) ## renew the pictures of the console in docs/images, from a real Foreshock that a real Prometheus feeds
	go test ./internal/e2e -count 1 -run TestScreenshots -screenshots $(CURDIR)/docs/images

.PHONY: console-lib
console-lib: ## fetch the console's libraries anew, at the versions pinned in tools/console-lib.sh
	@tools/console-lib.sh

.PHONY: tools
tools: $(PROGRAMS) $(LINTERS) $(TOOLS)/benchstat ## build the pinned programs and linters only

.PHONY: clean
clean: ## remove what was built here, tools included
	rm -rf bin .tools .demo

$(TOOLS)/prometheus: tools/prometheus/go.sum
	@tools/build.sh prometheus github.com/prometheus/prometheus/cmd/prometheus $@ -tags remove_all_sd

$(TOOLS)/alertmanager: tools/alertmanager/go.sum
	@tools/build.sh alertmanager github.com/prometheus/alertmanager/cmd/alertmanager $@

$(TOOLS)/node_exporter: tools/node_exporter/go.sum
	@tools/build.sh node_exporter github.com/prometheus/node_exporter $@

$(TOOLS)/victoria-logs: tools/victorialogs/go.sum
	@tools/build.sh victorialogs github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs $@

$(TOOLS)/nats-server: tools/nats/go.sum
	@tools/build.sh nats github.com/nats-io/nats-server/v2 $@

$(TOOLS)/kube-apiserver: tools/kubernetes/go.sum
	@tools/build.sh kubernetes k8s.io/kubernetes/cmd/kube-apiserver $@ -tags grpcnotrace

$(TOOLS)/etcd: tools/etcd/go.sum
	@tools/build.sh etcd go.etcd.io/etcd/server/v3 $@

$(TOOLS)/gofumpt: tools/dev/go.sum
	@tools/build.sh dev mvdan.cc/gofumpt $@

$(TOOLS)/staticcheck: tools/dev/go.sum
	@tools/build.sh dev honnef.co/go/tools/cmd/staticcheck $@

$(TOOLS)/benchstat: tools/dev/go.sum
	@tools/build.sh dev golang.org/x/perf/cmd/benchstat $@
