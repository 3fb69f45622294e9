# Flowkeeper. `make demo` shows what it does; `make test` runs every test.

GO          ?= go
PREFIX      ?= /usr
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0
GOLANGCI    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
NFPM        := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
FUZZTIME    ?= 20s

export CGO_ENABLED ?= 0
LDFLAGS := -s -w -X main.version=$(VERSION)

.PHONY: all build demo test race bench bench-peers simulate soak crash fuzz lint install packages lint-packages reproducible test-systemd smoke-aws clean

all: build

build: bin/flowkeeper

.PHONY: bin/flowkeeper
bin/flowkeeper:
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/flowkeeper

demo: build
	@bin/flowkeeper demo

# Every test, those with LocalStack and the Sigma tools included. SHORT=1 skips
# these, and each skipped test says so.
test:
	$(GO) test -timeout 20m ./...

# The race detector needs cgo. It leaves SQLite out, which is translated C: SQLite's own
# mutexes guard it, and with the detector it would take four times as long.
race:
	SIM_STEPS=$${SIM_STEPS:-5000} CGO_ENABLED=1 $(GO) test -race -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=modernc.org/libc=-race=false -timeout 30m ./...

# Compares Flowkeeper with bare SDK loops in the same run. It prints ratios, and asserts no times.
bench: build
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 90m ./test/bench
	$(GO) test -run '^$$' -bench . -benchmem ./internal/detection ./internal/cloudtrail ./watcher

# Compares Flowkeeper with Cloud Custodian, on moto; needs PyPI once. It prints a table: docs/benchmarks.md.
bench-peers:
	$(GO) test -tags peers -count 1 -v -timeout 20m ./test/peers

# Checks the promises under attacks, faults and crashes: a million steps. Then it breaks
# each promise on purpose, which the checks must notice. SIM_SEED=N repeats a run.
SIM_STEPS ?= 1000000
simulate: export TMPDIR := $(or $(wildcard /dev/shm),$(TMPDIR),/tmp)
simulate:
	SIM_SEED=$${SIM_SEED:-$$(date +%s)} SIM_STEPS=$(SIM_STEPS) SIM_AGAIN=12 $(GO) test -count 1 -v -timeout 60m -run 'Simulated|EveryDeath' ./test/simulate
	$(GO) run ./test/simulate/teeth

# A simulated day of an organisation, in which memory and disk must not grow. It takes a
# quarter of an hour of one core.
soak: export TMPDIR := $(or $(wildcard /dev/shm),$(TMPDIR),/tmp)
soak:
	SOAK_ACCOUNTS=$${SOAK_ACCOUNTS:-200} SOAK_REGIONS=$${SOAK_REGIONS:-17} SOAK_HOURS=$${SOAK_HOURS:-24} SOAK_SCHEDULE="$${SOAK_SCHEDULE:-@every 1h}" \
		SOAK_ALERT_REFRESH=$${SOAK_ALERT_REFRESH:-5m} $(GO) test -count 1 -v -timeout 5h ./test/soak

# Kills the real binary a thousand times while it calls a fake AWS over HTTP, with faults.
crash:
	CRASH_KILLS=$${CRASH_KILLS:-1000} $(GO) test -count 1 -v -timeout 60m ./test/crash

fuzz:
	test/fuzz.sh $(FUZZTIME)

# Needs root on a Debian. It boots another Debian in a container, installs the package
# there, and plays what operators, accidents and attackers do. It replaces the packages in
# dist/.
test-systemd:
	test/systemd/tools.sh
	FLOWKEEPER_SYSTEMD=1 $(GO) test -count 1 -v -timeout 15m ./test/systemd

# .golangci.yml says what golangci-lint checks. Its first run builds it, which
# takes some minutes; later ones take seconds.
lint:
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) run $(GOLANGCI) run ./...

# Finds out in a real AWS account what no emulator shows; see README.md.
smoke-aws:
	$(GO) test -tags smokeaws -count 1 -timeout 2h -v -run AWSIsAsked ./test/smoke

install: build
	install -D -m 0755 bin/flowkeeper $(DESTDIR)$(PREFIX)/bin/flowkeeper
	install -D -m 0644 systemd/flowkeeper.service $(DESTDIR)$(PREFIX)/lib/systemd/system/flowkeeper.service
	test -e $(DESTDIR)/etc/flowkeeper/flowkeeper.yaml || \
		install -D -m 0640 configs/flowkeeper.yaml $(DESTDIR)/etc/flowkeeper/flowkeeper.yaml
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 0644 packaging/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 0644 packaging/man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5/
	bin/flowkeeper completion bash > bin/completion.bash
	bin/flowkeeper completion zsh > bin/completion.zsh
	bin/flowkeeper completion fish > bin/completion.fish
	install -D -m 0644 bin/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/flowkeeper
	install -D -m 0644 bin/completion.zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_flowkeeper
	install -D -m 0644 bin/completion.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/flowkeeper.fish

# .deb, .rpm and a tarball for each architecture, with checksums, in dist/.
ARCHES ?= amd64 arm64
packages: build $(ARCHES:%=dist/bin/%/flowkeeper)
	GO='$(GO)' NFPM='$(NFPM)' packaging/build.sh '$(VERSION)' $(ARCHES)

# Checks the packages of ARCHES with lintian, and runs their scripts in an empty root.
# If a tool is missing, apt installs it. Where apt may not, the check fails, or with
# SHORT=1 skips that part.
lint-packages: packages
	packaging/lint.sh $(ARCHES)
	GO='$(GO)' NFPM='$(NFPM)' packaging/scripts.sh

# Builds all packages twice, the second time in another directory, with later file times and
# an empty build cache, and compares them.
reproducible:
	ARCHES='$(ARCHES)' packaging/reproducible.sh

.PHONY: $(ARCHES:%=dist/bin/%/flowkeeper)
$(ARCHES:%=dist/bin/%/flowkeeper): dist/bin/%/flowkeeper:
	GOOS=linux GOARCH=$* $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/flowkeeper

clean:
	rm -rf bin dist
