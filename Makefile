# The commands people need; the work is done by the scripts of the same names.
.PHONY: help setup build demo test lint fmt

help:
	@echo 'make setup   install what building and testing need (the others do this by themselves)'
	@echo 'make demo    build everything, start a server and the demo app, print the address'
	@echo 'make test    run every test'
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

lint:
	@scripts/lint

fmt:
	@scripts/setup --build
	cargo fmt --all
	node_modules/.bin/biome check --write --linter-enabled=false .
