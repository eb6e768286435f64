# Everything a person types. What each target does stands behind its name: `make` prints the list.
SHELL := /bin/bash
.DEFAULT_GOAL := help
# The parts of `make bench`, in their order.
BENCHES := redis gateway orders costs board chain failover reconcile demo
.PHONY: help setup up down status demo test check bench $(BENCHES:%=bench-%) bench-report drill zones \
	reconcile capacity lock images audit check-deploy

# Which stack: `dev` (yours), `cluster` (as dev, with a stock Redis of three masters and three
# replicas) or `test` (the one `make test` starts). They may run beside each other.
PROFILE ?= dev

PYTHON := .venv/bin/python
STACK := $(PYTHON) -m deploy.local

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing: system packages, .venv, node_modules, Kafka's jars
	@deploy/local/setup.sh

up: setup ## start the stack and wait until every process is healthy
	@$(STACK) up --profile $(PROFILE)

# Without a whole .venv nothing was ever started.
down: ## stop the stack; its data stays in var/
	@if $(PYTHON) -c 'import redis' 2>/dev/null; then $(STACK) down --profile $(PROFILE); fi

status: ## show every process, its health, its address and the admin's password file
	@$(STACK) status --profile $(PROFILE)

demo: up ## run one flash sale with simulated shoppers and print what came of it
	@$(STACK) run --profile $(PROFILE) -- $(PYTHON) -m tests.load.demo

test: setup ## run every test against a stack of its own
	@deploy/local/run_all.sh test

check: setup ## lint, types and tidiness
	@deploy/local/run_all.sh check

bench: ## measure beside the machine's limit; ONLY=chain is one of its parts
	@$(if $(filter-out $(BENCHES) report,$(ONLY)),echo "ONLY is one of: $(BENCHES) report" >&2; exit 2)
	@$(MAKE) --no-print-directory $(or $(ONLY:%=bench-%),$(BENCHES:%=bench-%))

# The table and the page, of what was measured before.
bench-report: setup
	@$(PYTHON) -m tests.load.bench_report

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

# A relay and an order consumer first, with the servers that they need and nothing else: the idle stack
# would be a sixth of two cores. Then all of it, but for what watches.
bench-orders: setup
	@$(STACK) down --profile $(PROFILE)
	@$(STACK) up --profile $(PROFILE) --only postgres,redis-stock,redis-work,kafka
	@$(STACK) run --profile $(PROFILE) -- $(PYTHON) -m tests.load.bench_orders
	@$(MAKE) --no-print-directory up
	@$(STACK) down --profile $(PROFILE) --only prometheus,alertmanager
	@$(STACK) run --profile $(PROFILE) -- $(PYTHON) -m tests.load.bench_confirm

# Of each process of the whole stack, but of what watches.
bench-costs: up
	@$(STACK) down --profile $(PROFILE) --only prometheus,alertmanager
	@$(STACK) run --profile $(PROFILE) -- $(PYTHON) -m tests.load.bench_costs --profile $(PROFILE)

# Empty ones too: what is missing is named by the program, as the names are here.
CAPACITY = $(if $(QUEUE),--queue "$(QUEUE)") $(if $(HUMAN_CHECK),--human-check "$(HUMAN_CHECK)") \
	$(if $(HEADROOM),--headroom "$(HEADROOM)") $(if $(HAVE),--have "$(HAVE)") $(if $(SEED),--seed "$(SEED)") \
	$(if $(CONFIRM_WITHIN_S),--confirm-within-s "$(CONFIRM_WITHIN_S)")

capacity: setup ## say what a sale needs and how it would go: TARGET_QPS=1000000 UNITS=100000 SHARDS=64
	@$(PYTHON) -m deploy.capacity plan --target-qps "$(TARGET_QPS)" --units "$(UNITS)" --shards "$(SHARDS)" $(CAPACITY)

# Rounds with and without open boards, by turns; five minutes.
bench-board: up
	@$(STACK) run --profile $(PROFILE) -- $(PYTHON) -m tests.load.bench_board --profile $(PROFILE)

# Whole sales on the whole stack, each larger than the one before, until a stage breaks its objective.
bench-chain: up
	@$(STACK) down --profile $(PROFILE) --only prometheus,alertmanager
	@$(STACK) run --profile $(PROFILE) -- $(PYTHON) -m tests.load.bench_chain --profile $(PROFILE)

# A stack of its own with six stock nodes; the other one would only take its cores.
bench-failover: setup
	@$(STACK) down --profile $(PROFILE)
	@$(PYTHON) -m tests.load.bench_failover

# Generated files and DuckDB alone: it needs no stack.
bench-reconcile: setup
	@$(STACK) run --profile $(PROFILE) -- $(PYTHON) -m tests.load.bench_reconcile

# The clone's stack has the ports of profile dev.
bench-demo: setup
	@$(STACK) down --profile $(PROFILE)
	@$(if $(filter-out dev,$(PROFILE)),$(STACK) down --profile dev)
	@$(PYTHON) -m tests.load.bench_demo

drill: setup ## break things under load and judge: ONLY=stock, NAME=…; SOAK=10m SEED=7 at random
	@$(PYTHON) -m tests.drill $(if $(ONLY),--only $(ONLY)) $(if $(NAME),--name "$(NAME)") \
		$(if $(SOAK),--soak $(SOAK)) $(if $(SEED),--seed $(SEED))

reconcile: setup ## compare all sides of a campaign and mend what is safe: CAMPAIGN=slug; the stack must be up
	@$(if $(CAMPAIGN),,echo "make reconcile CAMPAIGN=slug" >&2; exit 2)
	@$(STACK) run --profile $(PROFILE) -- $(PYTHON) -m control_plane reconcile "$(CAMPAIGN)" $(if $(ENGINE),--engine $(ENGINE))

# Namespaces of its own for network and processes: nothing is left of it, however it ends. Needs root.
zones: setup ## cut one of three zones off during a sale and judge (root); NAME=zone-a chooses
	@unshare --net --pid --fork --kill-child --mount-proc $(PYTHON) -m tests.zones $(if $(NAME),--name "$(NAME)")

lock: setup ## pin the newest Python requirements again, with hashes
	@deploy/local/lock.sh

images: setup ## build the three container images and run each against a stack (root, buildah, debootstrap)
	@deploy/images/try.sh

audit: setup ## list every dependency with its licence, and ask which have known holes
	@deploy/audit/audit.sh

# Installs helm and others into var/tools at its first run, which takes minutes.
check-deploy: setup ## check what is for other machines: Compose, Helm, Terraform
	@deploy/check.sh
