# rvscat: everything a user or a developer needs, from nothing.
#
#   make run     environment, database and a small catalogue from beginning to end
#   make test    environment and every check: ruff, layers, types, tests
#   make help    all targets

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet
# Output must appear as it happens; caches stay in the checkout.
export PYTHONUNBUFFERED := 1

.DEFAULT_GOAL := help
.PHONY: help install install-dev run test check format lock bench clean

help:  ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
		{ echo "rvscat needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Cannot make a virtual environment: is the package python3-venv installed?"; exit 1; }

# Locked versions with hashes, and nothing but these: pip would look for newer ones of packages with extras. The package
# itself is installed in place.
$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing the locked packages into $(VENV) (a few minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "Installing the locked packages for tests ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

install: $(VENV)/.installed  ## Make the environment of a user
install-dev: $(VENV)/.installed-dev  ## Make the environment of a developer

run: install  ## Build the demo catalogue from beginning to end
	@$(BIN)/rvscat run --profile demo

test: check  ## Run every check and every test
	@$(BIN)/python -m pytest -n 2 --dist loadfile

check: install-dev  ## Style, layers and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/mypy

format: install-dev  ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: install-dev  ## Resolve the locks again (needs uv)
	@uv pip compile $(LOCK) --extra build pyproject.toml --output-file requirements.lock
	@uv pip compile $(LOCK) --extra build --extra dev pyproject.toml --output-file requirements-dev.lock

bench: install-dev  ## Benchmarks: ratios in one run (not part of make test)
	@for script in tests/benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script; done

clean:  ## Remove the environment and caches; data stay
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist build
