PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What `make test` and what `make demo` has installed; each is older than pyproject.toml when it must be done again.
DEV_STAMP := $(VENV)/installed-dev
DEMO_STAMP := $(VENV)/installed-demo
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help install test lint types imports migrations test-sqlite test-postgresql test-mariadb coverage faults chaos
.PHONY: browser
.PHONY: format demo bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(DEV_STAMP) ## Make .venv with everything the tests need (PYTHON=python3.12 chooses the interpreter)

test: $(DEV_STAMP) ## Everything: lint, types, imports, migrations, the suite on SQLite, PostgreSQL and MariaDB, coverage
	@$(BIN)/python tools/check.py

lint types imports migrations test-sqlite test-postgresql test-mariadb: $(DEV_STAMP)
	@$(BIN)/python tools/check.py $(@:test-%=%)

# Only the words for `make help`; the recipe of these targets stands above.
lint: ## Ruff, and djade for the templates
types: ## Mypy, strict
imports: ## The floors: who may import whom
migrations: ## No model without its migration
test-sqlite: ## The suite on SQLite
test-postgresql: ## The suite on PostgreSQL (POSTGRES_HOST, _PORT, _USER, _PASSWORD)
test-mariadb: ## The suite on MariaDB (MARIADB_HOST, _PORT, _USER, _PASSWORD)

coverage: $(DEV_STAMP) ## The suites alone, and their branch coverage together
	@$(BIN)/python tools/check.py sqlite postgresql mariadb coverage

faults: $(DEV_STAMP) ## Kill processes and private servers, and see that nothing is lost (some minutes)
	@$(BIN)/python tools/check.py faults

browser: $(DEV_STAMP) ## Look at the dashboard in the system's Chromium and keep pictures in build/screenshots
	@$(BIN)/python tools/check.py browser

chaos: $(DEV_STAMP) ## The same for longer (CHAOS_SECONDS=600), with the number of events lost, doubled and out of order
	@CHAOS_SECONDS=$${CHAOS_SECONDS:-600} $(BIN)/python tools/check.py faults

format: $(DEV_STAMP) ## Format the code, and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	find django_clean_timestamps example_project tests -name '*.html' -exec $(BIN)/djade --target-version 5.2 {} +

# The environment of `make test` serves the demo too, where there is one.
demo: $(if $(wildcard $(DEV_STAMP)),$(DEV_STAMP),$(DEMO_STAMP)) ## Replay real history, start the example site and a worker (CHECK=1: check and stop)
	@cd example_project && exec ../$(BIN)/python manage.py demo $(if $(filter-out 0,$(CHECK)),--check)

bench: $(DEV_STAMP) ## Ours beside plain auto_now, as ratios
	$(BIN)/python -m benchmarks

clean: ## Remove the environments, caches and databases that these targets made
	rm -rf .venv .nox .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist htmlcov
	rm -rf example_project/var
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(DEV_STAMP): pyproject.toml | $(BIN)/python
	@echo "Installing what the tests need into $(VENV)"
	@$(BIN)/python -m pip install --quiet --editable '.[dev,postgres]'
	@touch $@

$(DEMO_STAMP): pyproject.toml | $(BIN)/python
	@echo "Installing the package into $(VENV)"
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(BIN)/python:
	@PYTHON='$(PYTHON)' VENV='$(VENV)' sh tools/make_venv.sh
