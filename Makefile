# Bittern. `make` or `make help` lists what can be made.

SWIFT ?= swift
# The same flags for every build, so that nothing is built twice. A room that imports what it does not declare is an error.
BUILD_FLAGS := --explicit-target-dependency-import-check error
BITTERN := .build/debug/bittern

# Debian packages that the build, the demo and the tests need.
BUILD_NEEDS := git pkg-config libsystemd-dev libsqlite3-dev
DEMO_NEEDS := curl openssl
TEST_NEEDS := $(DEMO_NEEDS) lighttpd lighttpd-mod-openssl openssh-client openssh-server systemd util-linux procps

.DEFAULT_GOAL := help
.PHONY: help demo test torture build build-tests needs-build needs-demo needs-test format lint clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: needs-demo build ## push to a real repository and watch it go live (KEEP=1 leaves the daemon running)
	@KEEP="$(KEEP)" sh packaging/demo.sh $(BITTERN)

test: needs-test build-tests ## run every test (FILTER= runs those that match)
	$(SWIFT) test --skip-build $(BUILD_FLAGS) $(if $(FILTER),--filter '$(FILTER)')

torture: needs-test build-tests ## kill the daemon at random while it works, ROUNDS times (200), and check what is left
	BITTERN_TORTURE_ROUNDS=$(or $(ROUNDS),200) $(SWIFT) test --skip-build $(BUILD_FLAGS) --filter TortureTests

build: needs-build ## build the daemon for debugging
	$(SWIFT) build $(BUILD_FLAGS) --product bittern

build-tests: needs-build
	$(SWIFT) build $(BUILD_FLAGS) --build-tests

format: ## format the sources
	$(SWIFT) format format --in-place --parallel --recursive Package.swift Sources Tests

lint: ## check the format of the sources
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests

clean: ## remove what was built
	rm -rf .build

needs-build:
	@sh packaging/install-needs.sh $(BUILD_NEEDS)

needs-demo:
	@sh packaging/install-needs.sh $(DEMO_NEEDS)

needs-test:
	@sh packaging/install-needs.sh $(TEST_NEEDS)
