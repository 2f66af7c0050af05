# The habits, one word each. `make help` lists them.
.DEFAULT_GOAL := help
.SUFFIXES:
# Directory messages would go to standard output, which belongs to the session.
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
target := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
tools := $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/mpmosh/tools
deny_version := 0.20.2

.PHONY: help
help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 15

# ---- run ----------------------------------------------------------------------------------------------------------
# ARGS reaches the shell as it was written: make expands nothing in it. Whatever the session's status is, make's own is 2
# where that is not 0, so the status is said.
.PHONY: run
run: build ## open a shell on this machine; ARGS="-- command" runs a command
	@$(target)/release/mpmosh --local $(value ARGS) || \
	  { status=$$?; echo "mpmosh ended with status $$status" >&2; exit $$status; }

.PHONY: build
build: ## build the programs
	@.ci/setup build && { quiet=--quiet; [ ! -t 2 ] || quiet=; } && \
	  $(CARGO) build $$quiet --release --locked --bins -p mpmosh-client -p mpmosh-server >&2

# ---- test ---------------------------------------------------------------------------------------------------------
# Testing does not build another package's programs, so these come first. MPMOSH_SKIP_LAB=1 leaves out what needs
# network namespaces, sshd or stock mosh; how many that were is the last line.
skipped := $(abspath $(target))/skipped-tests

.PHONY: test
test: ## run all tests (TESTARGS="…" goes to cargo test)
	@.ci/setup test && rm -f $(skipped)
	@$(CARGO) build --locked --workspace --bins
	@MPMOSH_SKIPPED=$(skipped) $(CARGO) test --locked --workspace --no-fail-fast $(value TESTARGS); status=$$?; \
	  count=$$(cat $(skipped) 2>/dev/null | wc -l); echo "skipped tests: $$count"; \
	  [ $$status -ne 0 ] || [ "$$count" -gt 0 ] || [ -n "$(value TESTARGS)" ] || .ci/release passed test; exit $$status

.PHONY: programs
programs: ## compare what real programs show in a session and without, in tmux, xterm, kitty and alacritty; writes the table
	@.ci/setup programs
	@$(CARGO) build --locked --workspace --bins
	@tests/programs/compare.py $(target)/debug --write $(value ARGS)

.PHONY: test-long
test-long: ## the distributions of latency and cost over 150 sessions a network (MPMOSH_WRITE_TABLE=1 writes them anew), and a thousand clients of one session
	@.ci/setup test
	@$(CARGO) build --release --locked --workspace --bins
	@$(CARGO) test --release --locked -p mpmosh-tests --test sim_long --test session_cycles -- --ignored --nocapture

# The simulator first, then what takes minutes of real time: mappings that routers forget after half a minute, wake-ups
# over ten (MPMOSH_SOAK_MINUTES). SEEDS, FIRST and MINUTES choose others than the first thousand seeds of two hours each.
.PHONY: soak
soak: ## type for two hours of virtual time over each of 1,000 random networks, and sit still for minutes of real time
	@.ci/setup test
	@$(CARGO) build --quiet --release --locked -p mpmosh-tests --bin soak
	@$(target)/release/soak $(or $(SEEDS),1000) $(or $(FIRST),1) $(or $(MINUTES),120)
	@$(CARGO) build --locked --workspace --bins
	@$(CARGO) test --locked -p mpmosh-tests --test lab_nat -- --ignored --nocapture
	@[ -n "$(SEEDS)$(FIRST)$(MINUTES)" ] || .ci/release passed soak

# 10^7 octets a seed, then each fuzz target for so many SECONDS. The flags are cargo-fuzz's without the sanitizers:
# what is fuzzed has no unsafe code.
SECONDS ?= 60
fuzz_targets := emulator diff
# Named, so that the flags reach no build script.
host = $(shell rustc -vV | sed -n 's/^host: //p')
coverage := -sanitizer-coverage-level=4 -sanitizer-coverage-inline-8bit-counters -sanitizer-coverage-pc-table

.PHONY: fuzz
fuzz: ## random bytes through emulator and diff: 10^7 a seed, then fuzzing for SECONDS (60) a target
	@.ci/setup fuzz
	MPMOSH_OCTETS=10000000 $(CARGO) test --locked --release -p mpmosh-terminal --test random
	cd tests/fuzz && RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module $(coverage:%=-Cllvm-args=%)" \
	  $(CARGO) build --release --locked --target $(host)
	cd tests/fuzz && for target in $(fuzz_targets); do mkdir -p corpus/$$target artifacts && \
	  target/$(host)/release/$$target -max_total_time=$(SECONDS) -max_len=8192 -timeout=20 -rss_limit_mb=1024 \
	    -artifact_prefix=artifacts/ corpus/$$target ../vectors/term || exit 1; done

# ---- check --------------------------------------------------------------------------------------------------------
deny := $(tools)/cargo-deny-$(deny_version)/bin/cargo-deny

.PHONY: check fmt lint clippy doc deny crosscheck static-link audit
check: fmt lint clippy doc deny crosscheck static-link ## formatting, lints, documentation, dependencies, other systems
	@.ci/release passed check
fmt:
	$(CARGO) fmt --all --check
lint: setup-check
	@.ci/lint
clippy: setup-check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked -p mpmosh-platform --no-default-features --all-targets -- -D warnings
doc: setup-check
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items
deny: $(deny)
	$(deny) --workspace --locked --all-features check bans licenses sources
audit: $(deny) ## look the dependencies up in the advisory database (needs the network)
	$(deny) --workspace --locked --all-features check advisories
crosscheck: setup-check
	@if [ -x .ci/crosscheck ]; then .ci/crosscheck; else echo "no .ci/crosscheck" >&2; exit 1; fi

static-link: setup-check
	@.ci/static -q

.PHONY: setup-check
setup-check:
	@.ci/setup check

# Unoptimised, since it runs for a second and an optimised build takes minutes; kept between checkouts.
$(deny):
	@.ci/setup check
	$(CARGO) install cargo-deny --version $(deny_version) --locked --quiet --debug --no-default-features \
	  --root $(tools)/cargo-deny-$(deny_version)

.PHONY: manual
manual: ## write the man pages and completions anew from the command lines
	@MPMOSH_WRITE_MANUAL=1 $(CARGO) test --quiet --locked -p mpmosh-tests --test manual -- are_those_of

# ---- package --------------------------------------------------------------------------------------------------------
# packaging/README.md says what is made and what was seen of it.
.PHONY: dist static package package-check
dist: ## the source, with and without its crates, as tarballs
	@.ci/setup package && packaging/build dist
static: setup-check ## mpmosh-server as static programs for Linux on x86_64 and aarch64
	@.ci/static
package: ## .deb, .rpm, and the recipes of other systems, in target/package
	@.ci/setup package && packaging/build
package-check: ## build all of it twice, install it in fresh roots, use it
	@.ci/setup package-check && packaging/build && .ci/static && .ci/lint && packaging/check -r && \
	  .ci/release passed package-check

.PHONY: msrv release-check
msrv: ## check with the oldest Rust that Cargo.toml promises, by rustup
	@.ci/release msrv
release-check: ## list what the next release still needs; MPMOSH_PREVIOUS=FOLDER has the programs of the one before
	@.ci/release

# ---- measure ------------------------------------------------------------------------------------------------------
.PHONY: bench
bench: build ## compare with Debian's mosh and ssh; writes BENCHMARKS.md
	@.ci/setup test
	@$(CARGO) build --quiet --release --locked -p mpmosh-tests --bin bench
	@$(target)/release/bench $(value ARGS) > $(target)/BENCHMARKS.md && cp $(target)/BENCHMARKS.md BENCHMARKS.md
	@cat BENCHMARKS.md
