# Makefile - the short way to everything; the build itself is Meson's.
#
#   make            installs what is missing, builds build/postern
#   make run        the lab: every broken server, checked; then the gateway: mail in, out, and back
#   make test       every test; the last line counts them
#   make check      what to run before a commit, under a minute
#   make check-all  sanitizers, both compilers, clang-tidy, fuzzers, coverage
#   make bench      postern beside other tools and servers, its queue beside files
#   make install    prefix=/usr/local DESTDIR=
BUILD ?= build
prefix ?= /usr/local
MESON ?= $(firstword $(wildcard /usr/bin/meson) meson)
# Release, with debug information and at -O2; asserts stay on (meson.build).
MESON_OPTIONS ?=
SETUP_OPTIONS = --buildtype=release -Doptimization=2 -Ddebug=true --prefix=$(prefix) $(MESON_OPTIONS)

.PHONY: all run test check check-all bench install clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja: tools/setup
	tools/setup build
	$(MESON) setup $(BUILD) $(SETUP_OPTIONS)
	@touch $@

run: all
	tools/run-lab-demo $(BUILD)/postern
	tools/run-gateway-demo $(BUILD)/postern

test: all
	-@tools/setup test
	@status=0; \
	$(MESON) test -C $(BUILD) --no-rebuild --print-errorlogs --timeout-multiplier 4 || status=$$?; \
	tools/count-tests $(BUILD)/meson-logs/testlog.json || status=1; \
	exit $$status

check:
	@tools/check

check-all:
	@tools/setup check
	@tools/job gcc clang asan tsan tidy analyzer fuzz coverage

bench: all
	bench/check $(BUILD)/postern
	bench/queue $(BUILD)/bench/queue-puts
	bench/accept $(BUILD)
	bench/deliver $(BUILD)
	bench/relay $(BUILD)

install: all
	$(MESON) configure $(BUILD) -Dprefix=$(prefix)
	DESTDIR='$(DESTDIR)' $(MESON) install -C $(BUILD)

clean:
	rm -rf $(BUILD) build-*
