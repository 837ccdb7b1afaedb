# Group Admin's commands. Everything runs in .venv, which the first of them makes.

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
# Each worker begins with tests in a row, which share what they prepare, and helps the others when it is done.
PYTEST := $(BIN)/pytest -n auto --maxprocesses 8 --dist worksteal
# Much of the suite waits, for a process to start or a page to change: one worker more than cores.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
MANAGE := $(BIN)/python manage.py
# The suite starts the product some hundred times: what it is compiled to is kept, whatever the machine prefers.
unexport PYTHONDONTWRITEBYTECODE
REQUIREMENTS := requirements.txt requirements-dev.txt constraints.txt requirements-dev.lock
# LOCKED=1 installs nothing but files whose hash is known.
INSTALLED := $(if $(LOCKED),--require-hashes -r requirements-dev.lock,-r requirements-dev.txt)

.DEFAULT_GOAL := help
.PHONY: help setup demo run test test-services coverage bench format freeze audit-dependencies clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/ready ## Make .venv with everything in it; the other commands call this
	@:

.venv/ready: $(REQUIREMENTS) | $(BIN)/python
	@echo "Installing into .venv (a minute the first time)"
	@$(BIN)/pip install --quiet --disable-pip-version-check $(INSTALLED)
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Group Admin needs Python 3.11 or newer: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; rm -rf .venv; exit 1; }

demo: setup ## Audit an invented company and open the admin (ONCE=1: stop after the audit; PORT=8000)
	@$(MANAGE) demo --port $(PORT) $(if $(ONCE),--once)

run: setup ## Run on the real accounts named in .env (PORT=8000)
	@$(MANAGE) migrate --verbosity 0
	@$(MANAGE) collectstatic --noinput --verbosity 0
	@$(MANAGE) serve --port $(PORT)

test: setup ## Lint, types, import rules, and the whole suite on the embedded default
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MANAGE) makemigrations --check --dry-run --settings tests.settings
	$(MANAGE) check --fail-level WARNING --settings tests.settings
	$(PYTEST) --numprocesses $(WORKERS)

test-services: setup ## The suite again on real PostgreSQL and Redis, with real Celery workers
	@scripts/test-services.sh $(PYTEST) --numprocesses $(WORKERS)

coverage: setup ## Which lines the suite never runs
	$(PYTEST) --cov --cov-report=term

bench: setup ## Print the benchmark tables
	@$(BIN)/python -m tests.bench

format: setup ## Format the code and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

freeze: ## Pin all dependencies and their hashes anew, after a change in requirements*.txt
	@PYTHON=$(PYTHON) scripts/freeze.sh

audit-dependencies: ## Known vulnerabilities of what the product runs on (asks pypi.org)
	@PYTHON=$(PYTHON) scripts/audit-dependencies.sh

clean: ## Remove .venv and caches; var/ with its data stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
