# Wirebench. `make run` is the main job, `make test` the tests; both install what they need from Debian.
# Everything is built once, in one configuration.

SWIFT ?= swift
BUILD  = $(SWIFT) build -c release --explicit-target-dependency-import-check error
BIN    = .build/release/workbench

# $(call need,PACKAGES): installs the Debian packages that are missing, as root or by sudo.
define need
	@missing=""; for package in $(1); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
	  echo "make: this system has no apt-get; install what corresponds to Debian's$$missing, then run make again" >&2; exit 1; \
	elif [ "$$(id -u)" = 0 ]; then as=""; \
	elif command -v sudo >/dev/null; then as="sudo"; \
	else echo "make: missing Debian packages:$$missing; run as root: apt-get install$$missing" >&2; exit 1; fi; \
	echo "make: installing$$missing"; \
	$$as apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$as apt-get install -y -qq --no-install-recommends $$missing >/dev/null
endef

.PHONY: all deps deps-test deps-bench build run test test-qemu qemu scenarios replay bench fuzz lint docs clean

all: build

deps: ## what building and running needs
	$(call need,libslirp-dev)

deps-test: deps ## what the tests need besides
	$(call need,nginx-light tshark python3 curl busybox-static qemu-system-x86)

deps-bench: deps ## what the benchmarks need besides
	$(call need,curl valgrind python3 nginx-light)

build: deps ## the command line
	$(BUILD) --product workbench

run: build ## 64 MiB from the embedded origin over the whole path
	$(BIN) fetch

test: deps-test ## every test, every scenario, every capture
	$(BUILD) --build-tests
	$(SWIFT) test -c release --disable-testable-imports --skip-build --disable-xctest
	$(MAKE) --no-print-directory scenarios replay

qemu: ## a QEMU that has vfio-user-pci, and Linux guests for it, in the cache folder
	scripts/guest-images

test-qemu: deps-test qemu build ## the NIC under real drivers: Linux and iPXE guests in that QEMU
	$(BUILD) --build-tests
	WIREBENCH_GUESTS=1 $(SWIFT) test -c release --disable-testable-imports --skip-build --disable-xctest \
	  --no-parallel --filter 'GuestTests|VfioUserTests.QEMUTests'

scenarios: build ## scripted fetches
	$(BIN) scenario fixtures/scenarios/*.yaml

replay: build ## captures against their expectations
	$(BIN) replay fixtures/captures/*.pcapng fixtures/captures/*.pcap

bench: deps-bench build ## speed, as ratios against peers in the same run
	$(BUILD) --product measure
	scripts/bench $(BIN) .build/release/measure

fuzz: ## hostile guests and vfio-user clients under AddressSanitizer: TARGET=model or vfio-user, SECONDS=120 each
	scripts/fuzz $(TARGET) $(SECONDS)

lint: ## format and style
	$(SWIFT) format lint --strict --recursive Package.swift Sources Tests
	@if LC_ALL=C.UTF-8 grep -rnE --include='*.swift' '^.{121,}' Package.swift Sources Tests; then \
	  echo "make: lines of more than 120 columns; scripts/wrap-comments wraps comments" >&2; exit 1; fi

docs: build ## the documentation of every module, in .build/documentation
	scripts/docs

clean:
	rm -rf .build .build-fuzz
