# The one front door for every chore; CI walks through it too.

CARGO ?= cargo
MINUTES ?= 5
MISTAKES ?= all
PACE ?= 1
REPLICAS ?= 3
ENDPOINTS ?= 100000
SERIES ?= 100

.DEFAULT_GOAL := help
.PHONY: help demo fleet fleet-table setup test conformance fidelity fuzz soak bench bench-proxy bench-memory bench-shared simulate instructions lint fmt dist

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## A worker fleet whose job_id explodes, the guard in front of it (Ctrl-C ends)
	$(CARGO) run --release -- demo

fleet: setup ## Celery, BullMQ, Sidekiq and Python workers, guarded: make fleet MISTAKES=none PACE=5
	$(CARGO) build --release
	@.venv/bin/python examples/worker-fleet/fleet.py --guard target/release/cardinality-guard --mistakes $(MISTAKES) --pace $(PACE)

fleet-table: setup ## What that fleet costs and counts, with and without the guard (four minutes)
	@$(CARGO) test --quiet --test worker_fleet the_table_is_printed -- --nocapture

setup: ## Install what the tests need beside Rust (nothing when it is there)
	@scripts/setup

test: setup ## Everything, end to end with a real Prometheus included, and what a sample costs in instructions
	$(CARGO) test
	@scripts/instructions

conformance: ## Bodies with known verdicts: make conformance CASES=path/to/cases.jsonl
	@test -n "$(CASES)" || { echo "conformance: say which cases: make conformance CASES=path/to/cases.jsonl" >&2; exit 2; }
	@test -f "$(CASES)" || { echo "conformance: there is no file $(CASES)" >&2; exit 2; }
	CASES="$(abspath $(CASES))" $(CARGO) test --test e2e every_accepted_case -- --ignored
	CASES="$(abspath $(CASES))" $(CARGO) test --test conformance

fidelity: setup ## How wrong the numbers are, with and without the guard (a minute)
	@$(CARGO) test --quiet --test fidelity-table

fuzz: ## Look for inputs that break a law, with a nightly compiler: make fuzz MINUTES=75
	@scripts/fuzz $(MINUTES)

soak: ## Hundreds of targets, every fault, reloads and kills: make soak MINUTES=30
	SOAK_MINUTES=$(MINUTES) $(CARGO) test --release --test hostile soak -- --nocapture

bench: ## What a scrape costs the engine, against the least that any proxy must do
	$(CARGO) bench --bench engine --bench state

bench-shared: ## What a store that several guards share costs a scrape (needs redis-server)
	$(CARGO) bench --bench shared

simulate: ## A fleet over several guards with a store: make simulate REPLICAS=3 ENDPOINTS=100000 SERIES=100
	$(CARGO) bench --bench simulate -- $(REPLICAS) $(ENDPOINTS) $(SERIES)

bench-proxy: ## What a scrape costs the process, beside nginx and vmagent where they are installed
	$(CARGO) bench --bench proxy

bench-memory: ## What the process takes of memory, against limits (some minutes; Linux)
	$(CARGO) bench --bench memory

instructions: setup ## What a sample costs in instructions, against limits
	@scripts/instructions

lint: ## Formatting, clippy, and the engine without the shell
	$(CARGO) fmt --all --check
	$(CARGO) clippy --all-targets -- --deny warnings
	$(CARGO) clippy --no-default-features --lib -- --deny warnings

fmt: ## Format everything
	$(CARGO) fmt --all

dist: ## What a release is: a tarball for this kind of machine, with its checksum, in dist/
	@scripts/dist
