# The commands people need; the work is done by the scripts of the same names.
.PHONY: help setup build demo test test-all chaos simulate planted-bugs bench nightly lint fmt

help:
	@echo 'make setup   install what building and testing need (the others do this by themselves)'
	@echo 'make demo    build everything, start a server and the demo app, print the address'
	@echo 'make test    run every test'
	@echo 'make test-all  run every test at its full figures (an hour or more)'
	@echo 'make chaos   two browser profiles sync for three minutes while everything goes wrong'
	@echo 'make simulate N=100000 SEED=7 KIND=rolls   run so many random schedules, or the one of a seed, of one kind'
	@echo 'make planted-bugs   put known defects back and see that each is caught'
	@echo 'make nightly the long runs: 200 kills, ten minutes of chaos, planted defects, fuzzing, a second build, 1,000,000 schedules, 10,000 of them twice'
	@echo 'make bench TOPIC=bulk-add RECORDS=1000   measure against IndexedDB and Dexie; without arguments all of it'
	@echo 'make build   build the npm package (pkg/) and the server'
	@echo 'make lint    check formatting, lints, types and licences'
	@echo 'make fmt     format everything'

setup:
	@scripts/setup

build:
	@scripts/setup --build
	@scripts/build-pkg
	cargo build --release --package mana-sync

demo:
	@scripts/demo

test:
	@scripts/test

test-all:
	@SCHEDULES=100000 INTERLEAVINGS=10000 RUNS=20 KILLS=200 CHAOS=180 SERVER_KILLS=300 MEMBERSHIP_RUNS=2000 COMMITS=100000 PAIRS=2000 HOSTILE=5000 MEMBERSHIPS=20000 LETTERS=10000 \
		VERSIONS=20000 CHAINS=20000 DATA_SETS=10000 MUTANTS=100000 OPENINGS=100000 EVERY_OPERATION=1 ROTATIONS=100000 IVS=10000000 scripts/test

# CHAOS: how many seconds; SEED: repeats the choices of a run.
chaos:
	@CHAOS=$(or $(CHAOS),180) scripts/test package chaos

# N: how many schedules; SEED: the first one, or with no N the only one; KIND: all of this kind (scripts/simulate lists them);
# TRACE=1 says what happens in it.
simulate:
	@scripts/simulate $(if $(N),--count $(N)) $(if $(SEED),--seed $(SEED)) $(if $(KIND),--kind $(KIND)) $(if $(TRACE),--trace)

planted-bugs:
	@scripts/planted-bugs

# TOPIC, RECORDS: only these (comma separated); BEFORE: an older package to measure beside this one. TOPIC=archives: exports and their page.
# TOPIC=server: the server under load; with USERS=100 SECONDS=1 ROUNDS=1 SOCKETS=200 STREAMS=200 FIRST_SYNC=5000 it takes a minute.
bench:
	@scripts/setup --test
	@[ '$(TOPIC)' = server ] || scripts/build-pkg
	@[ '$(TOPIC)' = server ] || tests/bench/build-ciphers
	@TOPIC=$(TOPIC) RECORDS=$(RECORDS) BEFORE=$(BEFORE) node tests/bench/bench.mjs

# FUZZ: seconds for each fuzz target.
nightly:
	@status=0; \
	KILLS=200 CHAOS=600 scripts/test package kills chaos || status=1; \
	scripts/planted-bugs || status=1; \
	scripts/fuzz $(or $(FUZZ),60) || status=1; \
	scripts/check-reproducible || status=1; \
	scripts/simulate --count 1000000 --twice 10000 || status=1; \
	for kind in rolls seals streams lazy deploys restore loss cut; do scripts/simulate --count 20000 --kind $$kind || status=1; done; \
	exit $$status

lint:
	@scripts/lint

fmt:
	@scripts/setup --build
	cargo fmt --all
	node_modules/.bin/biome check --write --linter-enabled=false .
