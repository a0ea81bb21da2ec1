# Bittern. `make` or `make help` lists what can be made.

SWIFT ?= swift
# The same flags for every build, so that nothing is built twice. A room that imports what it does not declare is an error.
BUILD_FLAGS := --explicit-target-dependency-import-check error
BITTERN := .build/debug/bittern
# Without the rooms that fuzz/ links to.
SWIFT_FILES := Package.swift Sources Tests benchmarks packaging fuzz/Package.swift $(wildcard fuzz/Sources/Fuzz*/Fuzz*.swift)

# Debian packages that the build, the demo and the tests need.
BUILD_NEEDS := git pkg-config libsystemd-dev libsqlite3-dev
DEMO_NEEDS := curl openssl
DEB_NEEDS := git debhelper dpkg-dev lintian
FUZZ_NEEDS := $(BUILD_NEEDS) xz-utils
BENCH_NEEDS := $(BUILD_NEEDS) python3 webhook wrk binutils valgrind
COUNT_NEEDS := $(BUILD_NEEDS) python3 binutils valgrind
TEST_NEEDS := $(DEMO_NEEDS) lighttpd lighttpd-mod-openssl openssh-client openssh-server systemd util-linux procps busybox git-lfs mandoc zsh fish strace python3 tmux
SYSTEMD_NEEDS := git systemd systemd-container dbus polkitd util-linux openssl python3

.DEFAULT_GOAL := help
.PHONY: help demo test torture tsan bench build build-tests man completions deb deb-programs needs-build needs-deb needs-demo needs-test needs-bench format lint clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: needs-demo build ## push to a real repository and watch it go live (KEEP=1 leaves the daemon running)
	@KEEP="$(KEEP)" sh packaging/demo.sh $(BITTERN)

test: needs-test build-tests ## run every test (FILTER= runs those that match)
	$(SWIFT) test --skip-build $(BUILD_FLAGS) $(if $(FILTER),--filter '$(FILTER)')

.PHONY: test-systemd needs-systemd
# Exit status 77 of the program: no machine can be booted here.
test-systemd: needs-systemd build deb ## install the package on a machine with a real systemd and use it there, as root (ONLY='words of a check')
	python3 Tests/systemd/run.py --debug-binary $(BITTERN) $(if $(ONLY),--only '$(ONLY)') \
		.build/bittern_$$($(BITTERN) --version)_amd64.deb

.PHONY: torture-units
torture-units: needs-systemd build deb ## restart and kill the daemon and the runner in the middle of ten builds, ROUNDS times (100)
	python3 Tests/systemd/run.py --only 'ten builds' --rounds $(or $(ROUNDS),100) $(if $(SEED),--seed $(SEED)) \
		.build/bittern_$$($(BITTERN) --version)_amd64.deb

torture: needs-test build-tests ## kill the daemon at random while it works, ROUNDS times (200), and check what is left
	BITTERN_TORTURE_ROUNDS=$(or $(ROUNDS),200) $(SWIFT) test --skip-build $(BUILD_FLAGS) --filter TortureTests

tsan: needs-test ## run the tests of Domain, Storage and Daemon under the thread sanitizer
	TSAN_OPTIONS=suppressions=$(CURDIR)/Tests/tsan.suppressions \
		$(SWIFT) test $(BUILD_FLAGS) --sanitize thread --scratch-path .build/tsan --filter '^(DomainTests|StorageTests|DaemonTests)\.'

.PHONY: fuzz needs-fuzz
fuzz: needs-fuzz ## feed the readers of deliveries, configuration and runner requests with made-up bytes, for FUZZ_SECONDS (300)
	$(SWIFT) build --package-path fuzz --sanitize fuzzer --scratch-path .build/fuzz
	KEEP=$(KEEP) sh fuzz/run.sh .build/fuzz/debug .build/fuzz/inputs $(or $(FUZZ_SECONDS),300)

bench: needs-bench deb-programs $(if $(ONLY),$(if $(findstring footprint,$(ONLY)),deb),deb) ## measure the release build and write benchmarks/README.md; ONLY='accept claim' prints some of it
	$(SWIFT) build $(BUILD_FLAGS) --configuration release --static-swift-stdlib --product ledger-bench
	$(SWIFT) build $(BUILD_FLAGS) --configuration release --static-swift-stdlib --product accept-count
	python3 benchmarks/bench.py .build/release/bittern .build/release/ledger-bench .build/release/accept-count .build $(ONLY)

.PHONY: accept-count needs-count
accept-count: needs-count ## fail if accepting takes a tenth more instructions than on record; RECORD=1 puts them on record
	$(SWIFT) build $(BUILD_FLAGS) --configuration release --static-swift-stdlib --product accept-count
	python3 benchmarks/instructions.py .build/release/accept-count $(if $(RECORD),--record)

build: needs-build ## build the daemon for debugging
	$(SWIFT) build $(BUILD_FLAGS) --product bittern

build-tests: needs-build
	$(SWIFT) build $(BUILD_FLAGS) --build-tests

man: build ## write the manual pages to .build/man
	$(SWIFT) build $(BUILD_FLAGS) --product manual
	sh packaging/make-man.sh $(BITTERN) .build/debug/manual .build/man

completions: build ## write the completions for bash, zsh and fish to .build/completions
	@mkdir -p .build/completions
	$(BITTERN) --generate-completion-script bash >.build/completions/bittern.bash
	$(BITTERN) --generate-completion-script zsh >.build/completions/_bittern
	$(BITTERN) --generate-completion-script fish >.build/completions/bittern.fish

# What `make deb` packs. Named on the command line, they are taken as they are and nothing is built.
DEB_BITTERN := .build/release/bittern
DEB_MANUAL := .build/release/manual
ifeq ($(origin DEB_BITTERN)$(origin DEB_MANUAL),filefile)
deb: deb-programs
endif

deb: needs-deb ## pack the release build as .build/bittern_VERSION_amd64.deb
	sh packaging/make-deb.sh $(DEB_BITTERN) $(DEB_MANUAL) .build

deb-programs: needs-build
	$(SWIFT) build $(BUILD_FLAGS) --configuration release --static-swift-stdlib --product bittern
	$(SWIFT) build $(BUILD_FLAGS) --configuration release --static-swift-stdlib --product manual

format: ## format the sources
	$(SWIFT) format format --in-place --parallel --recursive $(SWIFT_FILES)

lint: ## check the format of the sources
	$(SWIFT) format lint --strict --parallel --recursive $(SWIFT_FILES)

clean: ## remove what was built
	rm -rf .build

needs-build:
	@sh packaging/install-needs.sh $(BUILD_NEEDS)

needs-deb:
	@sh packaging/install-needs.sh $(DEB_NEEDS)

needs-demo:
	@sh packaging/install-needs.sh $(DEMO_NEEDS)

needs-test:
	@sh packaging/install-needs.sh $(TEST_NEEDS)

needs-systemd:
	@sh packaging/install-needs.sh $(SYSTEMD_NEEDS)

needs-fuzz:
	@sh packaging/install-needs.sh $(FUZZ_NEEDS)

needs-bench:
	@sh packaging/install-needs.sh $(BENCH_NEEDS)

needs-count:
	@sh packaging/install-needs.sh $(COUNT_NEEDS)
