# Flipback. Two commands do all set-up there is:
#   make demo   the four stories, with the real Lambda binaries in the local cloud
#   make test   every check
# Everything else is a part of these.

SHELL := /bin/bash
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
FUNCTIONS := on-image-push on-alarm advance check-scaling notify lifecycle-hook
PACKAGES := $(addprefix -p ,$(FUNCTIONS) cli)

.PHONY: help demo test prerequisites build-demo fmt-check clippy unit conformance doc deny template release sizes sim \
	explore kill-matrix mutants fuzz schema

help:
	@sed -n 's/^#  *make /make /p' $(firstword $(MAKEFILE_LIST))

prerequisites:
	@missing=""; \
	command -v $(CARGO) >/dev/null || missing="$$missing\n  cargo  (Rust: https://rustup.rs)"; \
	command -v $${CC:-cc} >/dev/null || missing="$$missing\n  cc     (a C compiler: apt-get install gcc, or xcode-select --install)"; \
	if [ -n "$$missing" ]; then printf "Flipback needs:$$missing\n"; exit 2; fi; \
	have=$$($(CARGO) --version | sed 's/cargo \([0-9]*\)\.\([0-9]*\).*/\1 \2/'); set -- $$have; \
	if [ "$$1" -lt 1 ] || { [ "$$1" -eq 1 ] && [ "$$2" -lt 95 ]; }; then \
		echo "Flipback needs Rust 1.95 or newer; this is $$($(CARGO) --version). Run: rustup update"; exit 2; fi

build-demo: prerequisites
	@[ -d $(TARGET)/demo ] || echo "First build: about ten minutes on two cores (the AWS SDK is large); later ones take seconds."
	@$(CARGO) build --locked --profile demo $(PACKAGES)

demo: build-demo
	@$(TARGET)/demo/flipback demo $(DEMO)

test: prerequisites fmt-check clippy unit conformance doc deny template
	@echo "make test: every check passed"

fmt-check:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

# The functions and the command are built first: the scenario tests run the real binaries.
unit:
	$(CARGO) build --locked $(PACKAGES)
	$(CARGO) test --locked --workspace --exclude sim --exclude explore
	$(CARGO) test --locked -p sim -p explore -- --nocapture

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

# The licence and source lists. cargo-deny is not installed by itself: CI installs it, elsewhere it is skipped with a word.
deny:
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny --locked check bans licenses sources; \
	elif [ -n "$$CI" ]; then echo "cargo-deny is missing in CI"; exit 1; \
	else echo "deny: skipped, cargo-deny is not installed (cargo install cargo-deny --locked)"; fi

# template.yaml by cfn-lint, in an environment of its own, where Python is.
template:
	@if ! command -v python3 >/dev/null; then \
		if [ -n "$$CI" ]; then echo "python3 is missing in CI"; exit 1; fi; echo "template: skipped, no Python 3"; \
	else \
		[ -x $(TARGET)/cfn-lint/bin/cfn-lint ] || { python3 -m venv $(TARGET)/cfn-lint && \
			$(TARGET)/cfn-lint/bin/pip --quiet install cfn-lint==1.58.0; }; \
		$(TARGET)/cfn-lint/bin/cfn-lint template.yaml && echo "template: cfn-lint finds nothing"; \
	fi

#   make conformance   the local cloud's wire against botocore, the AWS CLI and moto (make test does it too)
conformance: prerequisites
	@if ! command -v python3 >/dev/null; then \
		if [ -n "$$CI" ]; then echo "python3 is missing in CI"; exit 1; fi; echo "conformance: skipped, no Python 3"; \
	else \
		$(CARGO) build --locked $(PACKAGES) && tests/conformance/run; \
	fi

#   make sim       simulated schedules with faults, every law checked: make sim SEEDS=100000; make sim ENGINE=native
SEEDS ?= 50000
sim: prerequisites
	$(CARGO) run --locked --profile sim -p sim -- $(if $(ENGINE),--engine $(ENGINE)) --seeds $(SEEDS)

#   make explore   the loop over every history of a small world: make explore EXPLORE="--events 1 --faults 1 --only person,late"
EXPLORE ?= --events 1
explore: prerequisites
	$(CARGO) run --locked -p explore -- $(EXPLORE)

#   make kill-matrix   the functions killed, throttled, failed at each call of short stories: make kill-matrix MINUTES=4
MINUTES ?= 4
kill-matrix: prerequisites
	$(CARGO) build --locked $(PACKAGES) -p tests --bins
	$(TARGET)/debug/kill_matrix --minutes $(MINUTES) --jobs 6 --seed $$(git rev-parse --short HEAD)

#   make mutants   mutation testing of the core, about 45 minutes: make mutants SHARD=0/8 for a part
mutants: prerequisites
	@command -v cargo-mutants >/dev/null || { echo "cargo-mutants is missing: cargo install cargo-mutants --locked"; exit 2; }
	PROPTEST_CASES=8 $(CARGO) mutants -o $(TARGET) --no-times --colors never $(if $(SHARD),--shard $(SHARD))

#   make fuzz      looks for bytes that break a reader (nightly, cargo-fuzz): make fuzz FUZZ=config RUNS=20000000
FUZZ ?= intake config routes_xml wire notices status
RUNS ?= 1000000
fuzz:
	@for t in $(FUZZ); do mkdir -p fuzz/found/$$t && nice cargo +nightly fuzz run --fuzz-dir fuzz -s none $$t \
		fuzz/found/$$t fuzz/corpus/$$t -- -dict=fuzz/dict/$$t -max_len=262144 -rss_limit_mb=1024 -timeout=10 -runs=$(RUNS) || exit 1; done

#   make release   the functions as they are deployed, for this machine's architecture
release: prerequisites
	$(CARGO) build --locked --release $(addprefix -p ,$(FUNCTIONS))

#   make sizes     the sizes of those binaries, and the lines per crate
sizes: release
	@for f in $(FUNCTIONS); do printf '%-16s %5.1f MB\n' $$f $$(stat -c %s $(TARGET)/release/$$f | awk '{print $$1/1e6}'); done
	@for c in shared aws model local sim cli tests functions; do printf '%-16s %6d lines\n' $$c $$(git ls-files $$c | grep '\.rs$$' | xargs cat | wc -l); done

#   make schema    flipback.schema.json from the code
schema:
	$(CARGO) run --locked -q -p cli -- schema > flipback.schema.json
