# What people and CI run. Everything is made below target/; nothing is installed but Debian packages,
# by tests/setup, as root or with sudo.

NIX_HEADERS := target/nix-headers
DIST        := target/dist
# Where a Nix newer than Debian 12's can be had, everything is tested with it, too.
NEWER_NIX   := ../shared/tools/with-debian13-nix
# Not tests/cases, in which positions are part of what is tested.
NIX_FILES   := *.nix nix/*.nix nix/*/*.nix nix/templates/*/*.nix tests/*.nix tests/docker-tools/*.nix tests/stub-nixpkgs/*.nix
SUDO        := $(if $(filter 0,$(shell id -u)),,sudo -E env PATH="$(PATH)")

# make test NIX=/opt/nix/bin/nix tests with that Nix in place of the one on PATH. The plugin is built with the headers
# that pkg-config finds beside it, or with those that GANTRY_NIX_INCLUDE and GANTRY_NIX_VERSION name (cpp/build-plugin).
ifdef NIX
export PATH := $(abspath $(dir $(NIX))):$(PATH)
export PKG_CONFIG_PATH := $(abspath $(dir $(NIX))../lib/pkgconfig):$(PKG_CONFIG_PATH)
endif

.PHONY: help setup build builder plugin share man install uninstall demo test faults newer-nix-root test-newer-nix lint format bench clean

help:
	@echo "make demo    build everything, make an image with nix build, look at it, run it"
	@echo "make test    all tests: with real Nix, real closures, real image tools; NIX=/path/to/nix for another Nix"
	@echo "make faults  every system call of every command fails once, or is the last one"
	@echo "make bench   speed and memory, beside other tools, in one run"
	@echo "make fuzz SECONDS=300    searches for inputs that readers of hostile data fail on"
	@echo "make lint    formats and lints, as CI checks them;  make format repairs formats"
	@echo "make build   builder and plugin, into $(DIST)"
	@echo "make install PREFIX=/usr/local DESTDIR=   what make build made;  make uninstall removes it"

setup:
	tests/setup $(NIX_HEADERS)

build: builder plugin share

# The executable is static, so that it runs in Nix's sandbox with nothing else in the store. The first command
# compiles everything in Rust, the plugin's side too; the second only names that library, target/release/libgantry.a.
builder:
	cargo rustc --release --bin gantry -- -C target-feature=+crt-static
	cargo build --release --lib
	install -p -D target/release/gantry $(DIST)/bin/gantry

# For the Nix that pkg-config finds, or Debian 12's.
plugin: builder $(DIST)/lib/nix/plugins/libgantry.so
	tests/support/build-plugin $(NIX_HEADERS) $(DIST)

$(DIST)/lib/nix/plugins/libgantry.so: cpp/loader.c
	mkdir -p $(@D)
	cc -std=c99 -O2 -Wall -Wextra -fPIC -shared -o $@ $< -ldl

# Man pages, completions, the plain Nix functions.
share: builder
	packaging/share $(DIST)

man: share

# Into $(DESTDIR)$(PREFIX); nothing is built, so that `sudo make install` needs no compiler.
PREFIX  := /usr/local
DESTDIR :=

install:
	packaging/install $(DIST) "$(PREFIX)" "$(DESTDIR)"

uninstall:
	packaging/uninstall "$(PREFIX)" "$(DESTDIR)"

demo: setup build
	$(SUDO) tests/demo $(DIST)

# Every system call of every command and kind of build fails once, or is the last one (five minutes); make test has a sample.
faults: setup build
	$(SUDO) tests/faults $(DIST)/bin/gantry

test: setup build
	$(SUDO) cargo test
	@if [ -n "$(NIX)" ]; then echo "Tested with $$(nix --version) alone"; \
	elif [ -x $(NEWER_NIX) ] && [ "$$(id -u)" = 0 ]; then $(MAKE) test-newer-nix; \
	else echo "Not run with a newer Nix: no $(NEWER_NIX) here"; fi

# Makes that newer Nix's root, where there is none yet.
newer-nix-root:
	@[ ! -x $(NEWER_NIX) ] || [ "$$(id -u)" != 0 ] || $(NEWER_NIX) . true

# The same programs and tests, in a root that has Nix 2.26.3; the plugin is built for it there.
test-newer-nix:
	$(NEWER_NIX) . tests/support/newer-nix $(DIST)

# Both in a root of Debian sid, which tests/support/sid makes: the builder for the other processor, and Debian's newest
# Nix, which is static and loads no plugin.
.PHONY: check-aarch64 test-static-nix
check-aarch64: setup build
	$(SUDO) tests/check-aarch64 $(DIST)

test-static-nix: setup build
	$(SUDO) tests/static-nix

# Searches with all fuzz targets at once; a finding fails it. target/fuzz/found has what it left.
SECONDS := 300
.PHONY: fuzz
fuzz:
	tests/fuzz/build target/fuzz
	tests/fuzz/search target/fuzz $(SECONDS)

# The plugin's C++ with sanitizers, and with a collector that collects often.
.PHONY: sanitize
sanitize: setup build
	tests/sanitize $(NIX_HEADERS) $(DIST)

lint:
	cargo fmt --check
	cargo fmt --check --manifest-path tests/fuzz/Cargo.toml
	cargo clippy --all-targets -- -D warnings
	clang-format --dry-run --Werror cpp/*.cc cpp/*.hh cpp/*.c
	clang-format --style=file:cpp/.clang-format --dry-run --Werror tests/escapes/*.c tests/escapes/*.h tests/support/*.c
	tests/support/nix-format --check $(NIX_FILES)

format:
	cargo fmt
	cargo fmt --manifest-path tests/fuzz/Cargo.toml
	clang-format -i cpp/*.cc cpp/*.hh cpp/*.c
	clang-format --style=file:cpp/.clang-format -i tests/escapes/*.c tests/escapes/*.h tests/support/*.c
	tests/support/nix-format $(NIX_FILES)

bench: setup build
	$(SUDO) tests/benchmark/run $(DIST)
	$(SUDO) tests/benchmark/pull $(DIST)
	$(SUDO) tests/benchmark/scripts $(DIST)

clean:
	cargo clean
