# Everything a person types. What each target does stands behind its name: `make` prints the list.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup up down status demo test check bench bench-redis bench-gateway bench-orders drill lock \
	images audit check-deploy

# Which stack: `dev` (yours), `cluster` (as dev, with a stock Redis of three masters and three
# replicas) or `test` (the one `make test` starts). They may run beside each other.
PROFILE ?= dev

PYTHON := .venv/bin/python
STACK := $(PYTHON) -m deploy.local

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing: system packages, .venv, node_modules, Kafka's jars
	@deploy/local/setup.sh

up: setup ## start the stack and wait until every process is healthy
	@$(STACK) up --profile $(PROFILE)

down: ## stop the stack; its data stays in var/
	@if [ -x $(PYTHON) ]; then $(STACK) down --profile $(PROFILE); fi

status: ## show every process, its health, its address and the admin's password file
	@$(STACK) status --profile $(PROFILE)

demo: up ## run one flash sale with simulated shoppers and print what came of it
	@$(STACK) run --profile $(PROFILE) -- $(PYTHON) -m tests.load.demo

test: setup ## run every test against a stack of its own
	@deploy/local/run_all.sh test

check: setup ## lint, types and tidiness
	@deploy/local/run_all.sh check

bench: ## measure beside the machine's limit; ONLY=redis, gateway or orders measures one part
	@$(if $(filter-out redis gateway orders,$(ONLY)),echo "ONLY is redis or gateway or orders" >&2; exit 2)
	@$(MAKE) --no-print-directory $(if $(ONLY),bench-$(ONLY),bench-redis bench-gateway bench-orders)

# Its servers are its own: it pins one Redis to a core and asks it alone.
bench-redis: setup
	@$(PYTHON) -m tests.load.bench_redis

# One worker first, with Kafka for its events and nothing else: the idle stack takes a third of a core and
# much of the cache from it.
bench-gateway: setup
	@$(STACK) down --profile $(PROFILE)
	@$(STACK) up --profile $(PROFILE) --only kafka
	@$(STACK) run --profile $(PROFILE) -- $(PYTHON) -m tests.load.bench_reserve
	@$(MAKE) --no-print-directory up
	@$(STACK) run --profile $(PROFILE) -- $(PYTHON) -m tests.load.bench_switches --profile $(PROFILE)

# What watches costs a few hundredths of a core, which would be some of the other side's.
bench-orders: up
	@$(STACK) down --profile $(PROFILE) --only prometheus,alertmanager
	@$(STACK) run --profile $(PROFILE) -- $(PYTHON) -m tests.load.bench_orders
	@$(STACK) run --profile $(PROFILE) -- $(PYTHON) -m tests.load.bench_confirm

drill: setup ## break things under load and judge: ONLY=stock, NAME=…; SOAK=10m SEED=7 at random
	@$(PYTHON) -m tests.drill $(if $(ONLY),--only $(ONLY)) $(if $(NAME),--name "$(NAME)") \
		$(if $(SOAK),--soak $(SOAK)) $(if $(SEED),--seed $(SEED))

lock: setup ## pin the newest Python requirements again, with hashes
	@deploy/local/lock.sh

images: setup ## build the three container images and run each against a stack (root, buildah, debootstrap)
	@deploy/images/try.sh

audit: setup ## list every dependency with its licence, and ask which have known holes
	@deploy/audit/audit.sh

# Installs helm and others into var/tools at its first run, which takes minutes.
check-deploy: setup
	@deploy/check.sh
