# Beeline. `make` lists the targets. Everything is installed into .venv; nothing else on the machine changes,
# except that `make check`, `make test`, `make demo` and friends may install Debian packages when they are allowed to.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CONNECTOR := .venv-connector/.ready
NODE := tests/node/node_modules/.ready
SCRIPTS := .ci/run .ci/venv $(wildcard deploy/*.sh deploy/*/*.sh)

# Options for the program that a target runs, for instance: make demo ARGS="--signals 100"
ARGS ?=
# How many seeds `make simulate` plays.
SEEDS ?= 200
# Set to 1 to let `make lock` take newer versions.
UPGRADE ?=

##@ Try it

# A broker that was not there before is stopped again: a demo leaves nothing running.
.PHONY: demo
demo: $(READY) ## Stream signals through a whole pool against a simulated exchange (ARGS="--signals 500 --seed 1")
	@before="$$(deploy/broker.sh url 2>/dev/null || true)"; \
	url="$$(deploy/broker.sh up)"; \
	[[ -n $$before ]] || trap 'deploy/broker.sh down' EXIT; \
	BEELINE_AMQP_URL="$$url" $(BIN)/beeline demo $(ARGS)

.PHONY: broker
broker: ## Find a broker or start one, and print its URL (stop ours again: deploy/broker.sh down)
	@deploy/broker.sh up

##@ Develop

.PHONY: setup
setup: $(READY) $(CONNECTOR) ## Make .venv from the lock files; quick when it is there already

.PHONY: fmt
fmt: $(READY) ## Format the code and apply the safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only --quiet .

.PHONY: fmt-check
fmt-check: $(READY) ## Say which files are not formatted
	$(BIN)/ruff format --check .

.PHONY: lint
lint: $(READY) ## Look for mistakes: ruff, and shellcheck for the scripts
	$(BIN)/ruff check .
	PATH="$(BIN):$$PATH" shellcheck --severity=style $(SCRIPTS)

.PHONY: type
type: $(READY) ## Check the types (mypy, strict)
	$(BIN)/mypy

.PHONY: check
check: fmt-check lint type $(NODE) ## All static checks, the rules of the architecture, and every file of a deployment
	deploy/tools.sh promtool
	$(BIN)/pytest -q tests/test_architecture.py tests/deploy

.PHONY: test
test: setup $(NODE) ## Run all tests, those with a real broker too (ARGS="-k lane")
	deploy/broker.sh install
	deploy/tools.sh prometheus chromium
	$(BIN)/pytest $(ARGS)

.PHONY: test-fast
test-fast: setup $(NODE) ## Run the tests that need no broker
	$(BIN)/pytest -m "not integration" $(ARGS)

##@ Measure and break

.PHONY: simulate
simulate: $(READY) ## Play the whole pool in virtual time, seed by seed (SEEDS=200)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) $(ARGS)

.PHONY: bench
bench: $(READY) ## Measure what an order costs, beside loops written by hand and with libraries (ARGS="--only saturation")
	deploy/broker.sh install
	$(BIN)/python -m tests.bench $(ARGS)

.PHONY: chaos
chaos: $(READY) ## Kill workers and brokers for real and check the ledger
	deploy/broker.sh install
	$(BIN)/python -m tests.chaos $(ARGS)

.PHONY: limits
limits: $(READY) ## Flood a real pool, refuse it, and see what the venue counted
	deploy/broker.sh install
	$(BIN)/python -m tests.limits $(ARGS)

.PHONY: rolling
rolling: $(READY) ## Restart a pool of four under load, one worker after another, and count what is lost, doubled or late
	deploy/broker.sh install
	$(BIN)/python -m tests.rolling $(ARGS)

##@ Keep up

.PHONY: docs
docs: $(READY) ## Write the generated pages under docs/ again
	$(BIN)/python -m tests.generate_docs $(ARGS)

.PHONY: lock
lock: $(READY) ## Resolve the lock files again (UPGRADE=1 takes newer versions)
	@compile="$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes"; \
	compile="$$compile --no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade)"; \
	export UV_CUSTOM_COMPILE_COMMAND="make lock"; \
	$$compile pyproject.toml --group build -o requirements.lock; \
	$$compile pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock; \
	$$compile --group connector -o requirements-connector.lock

.PHONY: clean
clean: ## Stop our broker and remove everything that was built, the environments included
	-deploy/broker.sh down
	rm -rf $(VENV) .venv-connector tests/node/node_modules build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## "; print "Usage: make TARGET" } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- what the targets above stand on ----------------------------------------------------------------------------------

# A changed lock or pyproject.toml installs again; an interrupted installation leaves no stamp and is repeated.
$(READY): requirements-dev.lock pyproject.toml .ci/venv
	@.ci/venv $(VENV) requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-input --no-deps --no-build-isolation --editable .
	@touch $@

# binance-connector and python-binance both install a module `binance`, so the official clients have an environment
# of their own.
$(CONNECTOR): requirements-connector.lock .ci/venv
	@.ci/venv $(dir $@) requirements-connector.lock
	@touch $@

# The official AsyncAPI parser and an AMQP client for the JavaScript example; no script of a package is run.
$(NODE): tests/node/package-lock.json
	@deploy/tools.sh node
	@cd $(<D) && npm ci --ignore-scripts --silent
	@touch $@
