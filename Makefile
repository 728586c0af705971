# Continuum. `make help` lists what there is.
SHELL := /bin/sh
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Each has its own PostgreSQL and Temporal. Three on two cores are a minute quicker, and then what has a deadline waits
# for a core.
TESTS_AT_ONCE ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo up test lint format lock bench pages screenshots clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(READY) ## Install everything into .venv, from the hashed lock

$(READY): requirements-dev.lock
	@command -v $(PYTHON) >/dev/null || { echo "Continuum needs Python 3.11 or newer: make PYTHON=python3.12 setup"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## Play seven journeys from referral to last follow-up (ARGS="--keep")
	@$(BIN)/continuum demo $(ARGS)

up: $(READY) ## Run everything on this machine, state in .continuum (ARGS="--dir FOLDER")
	@$(BIN)/continuum up $(ARGS)

test: $(READY) ## Run all tests (ARGS="tests/care -x")
	@$(BIN)/python -m pytest -n $(TESTS_AT_ONCE) --dist loadgroup $(ARGS)

lint: $(READY) ## ruff, mypy --strict, and the pathways' linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pathways lint

format: $(READY) ## Let ruff format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(READY) ## Write the hashed locks anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --extra dev pyproject.toml -o requirements-dev.lock

bench: $(READY) ## Measure what it costs, beside a bare workflow (ARGS="--quick")
	@$(BIN)/python -m bench $(ARGS)

pages: $(READY) ## Write docs/reference and docs/pathways anew
	@$(BIN)/python docs/make_reference.py
	@$(BIN)/python docs/make_pathways.py

screenshots: $(READY) ## Take the pictures of the documentation (needs Chromium)
	@$(BIN)/python docs/take_screenshots.py

clean: ## Remove the environment and all caches (never a state folder)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
