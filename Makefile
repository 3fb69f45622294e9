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

# Every test, LocalStack and the Sigma tools included. SHORT=1 leaves these out,
# and each test that it leaves out says so.
test:
	$(GO) test -timeout 20m ./...

# The race detector needs cgo. SQLite itself, which is C that was translated, is left
# out of it: its own mutexes guard it, and it takes four times as long.
race:
	SIM_STEPS=$${SIM_STEPS:-5000} CGO_ENABLED=1 $(GO) test -race -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=modernc.org/libc=-race=false -timeout 30m ./...

# Against bare SDK loops in the same run: it prints ratios, and asserts no times.
bench: build
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 90m ./test/bench
	$(GO) test -run '^$$' -bench . -benchmem ./internal/detection ./internal/cloudtrail ./watcher

# Beside Cloud Custodian, on moto; needs PyPI once. It prints a table: docs/benchmarks.md.
bench-peers:
	$(GO) test -tags peers -count 1 -v -timeout 20m ./test/peers

# The promise under attacks, faults and deaths: a million steps, and then what
# breaks a promise must be noticed. SIM_SEED=N repeats a run.
SIM_STEPS ?= 1000000
simulate: export TMPDIR := $(or $(wildcard /dev/shm),$(TMPDIR),/tmp)
simulate:
	SIM_SEED=$${SIM_SEED:-$$(date +%s)} SIM_STEPS=$(SIM_STEPS) SIM_AGAIN=12 $(GO) test -count 1 -v -timeout 60m -run 'Simulated|EveryDeath' ./test/simulate
	$(GO) run ./test/simulate/teeth

# A simulated day of an organisation in which nothing may grow: a quarter of an hour of one core.
soak: export TMPDIR := $(or $(wildcard /dev/shm),$(TMPDIR),/tmp)
soak:
	SOAK_ACCOUNTS=$${SOAK_ACCOUNTS:-200} SOAK_REGIONS=$${SOAK_REGIONS:-17} SOAK_HOURS=$${SOAK_HOURS:-24} SOAK_SCHEDULE="$${SOAK_SCHEDULE:-@every 1h}" \
		SOAK_ALERT_REFRESH=$${SOAK_ALERT_REFRESH:-5m} $(GO) test -count 1 -v -timeout 5h ./test/soak

# A thousand SIGKILLs of the real binary, over HTTP, with faults.
crash:
	CRASH_KILLS=$${CRASH_KILLS:-1000} $(GO) test -count 1 -v -timeout 60m ./test/crash

fuzz:
	test/fuzz.sh $(FUZZTIME)

# As root, on a Debian: boots another one in a container, installs the package
# there, and does to it what operators and accidents do. Leaves other packages in
# dist/ than were there.
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

# Asks a real AWS account about what no emulator shows; see README.md.
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

# The packages of ARCHES, looked at by lintian, and their scripts tried out in an
# empty root. What these need is installed if it is missing and apt may do so;
# where it may not they fail, or with SHORT=1 leave that out.
lint-packages: packages
	packaging/lint.sh $(ARCHES)
	GO='$(GO)' NFPM='$(NFPM)' packaging/scripts.sh

# Builds all packages twice, elsewhere, later and from nothing, and compares.
reproducible:
	ARCHES='$(ARCHES)' packaging/reproducible.sh

.PHONY: $(ARCHES:%=dist/bin/%/flowkeeper)
$(ARCHES:%=dist/bin/%/flowkeeper): dist/bin/%/flowkeeper:
	GOOS=linux GOARCH=$* $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/flowkeeper

clean:
	rm -rf bin dist
