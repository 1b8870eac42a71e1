# The front door. Each target says what it does in one line; the work is in scripts/ and cargo.
#   make run UPSTREAM=http://127.0.0.1:3000     in front of a real API
#   make run ARGS="--help"                      anything else for the program
.DEFAULT_GOAL := help
.PHONY: help run build build-debug test browser bench fuzz lint tidy reference profile layout clean setup dashboard

UPSTREAM ?=
ARGS ?=
SECONDS ?= 60
TARGETS ?=
CARGO := scripts/with-env cargo

help: ## List the targets
	@echo "Peregrine. Targets of make:"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile

run: dashboard ## Install what is missing, build, run the demo (UPSTREAM=http://host:port: serve that instead; ARGS=…)
	@$(CARGO) run --release -p peregrine -- $(if $(UPSTREAM),serve --upstream '$(UPSTREAM)',demo) $(ARGS)

build: dashboard ## Build the program, optimised
	@$(CARGO) build --release -p peregrine

test: ## Run all tests: interleavings of threads, real clients and a browser too
	@scripts/setup test
	@scripts/web build
	@$(CARGO) test --workspace
	@$(CARGO) test -p peregrine-cache --features shuttle
	@scripts/web e2e

browser: build-debug ## Drive the dashboard in a browser, and hold what it times against the budgets
	@BUDGETS=1 scripts/web e2e

bench: ## Measure against the budgets and the peers (installs them; ARGS=… for the bench)
	@scripts/setup bench
	@scripts/web build
	@$(CARGO) run --release -p peregrine-bench -- $(ARGS)

fuzz: ## Fuzz every parser at an edge (SECONDS=60 each; TARGETS=… for some)
	@scripts/setup fuzz
	@scripts/fuzz $(SECONDS) $(TARGETS)

lint: ## Check everything that is no test: format, clippy, tidy, docs, dependencies, spelling, scripts
	@scripts/lint

tidy: setup ## Check the house rules only
	@$(CARGO) xtask tidy

reference: setup ## Write anew what is made from the tables of parameters, calls and metrics
	@$(CARGO) xtask reference
	@$(CARGO) xtask metrics
	@scripts/web types

profile: dashboard ## Count anew how the program runs, for the compiler (before a release; ten minutes)
	@scripts/profile

layout: dashboard ## Note anew which functions of the program run, for the linker (before a release; ten minutes)
	@scripts/layout

build-debug: dashboard
	@scripts/setup test
	@$(CARGO) build -p peregrine

clean: ## Remove what was built (the folder of cargo's in this user's cache)
	@$(CARGO) clean

setup:
	@scripts/setup build

dashboard: setup
	@scripts/web build
