# `make setup` prepares the checkout; every other target does so by itself, and only what changed.

PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_ROOT_USER_ACTION = ignore

.PHONY: setup demo live test bench torture compat dev check docs
.DEFAULT_GOAL := setup

setup: .venv/.installed node_modules/.installed live/node_modules/.installed

demo: setup
	$(BIN)/python -m emulator.demo

test: setup
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy
	@# Once, for the hundreds of Pythons that the tests start, also where PYTHONDONTWRITEBYTECODE is set.
	$(BIN)/python -m compileall -q boiler_functions
	@# One more than the two cores of a small machine: a test often waits, for a process or for the time.
	$(BIN)/pytest -n 3 --dist loadgroup

bench: setup
	$(BIN)/python -m benchmarks

torture: setup
	$(BIN)/python -m tests.torture

compat: setup
	$(BIN)/python -m pip install --quiet --group compat
	$(BIN)/python -m tests.compat

live: setup
	$(BIN)/python -m emulator.live

dev: setup
	$(BIN)/boiler dev

check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/mkdocs build --quiet

docs: setup
	$(BIN)/mkdocs serve

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo not found)." \
			"Install it, or name it: make PYTHON=python3.12 $(or $(MAKECMDGOALS),setup)" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml | .venv/bin/python
	@# Dependency groups need pip 25.1; a new environment has the pip of its Python.
	$(BIN)/python -m pip install --quiet 'pip>=25.1,<27'
	$(BIN)/python -m pip install --quiet --editable '.[all]' --group dev
	@touch $@

node_modules/.installed: package-lock.json package.json .npmrc
	@command -v npm >/dev/null || { \
		echo "'npm' was not found, but firebase-tools needs it. Install Node.js 20 or newer." >&2; exit 1; }
	npm ci --loglevel=error --no-progress >/dev/null
	@touch $@

live/node_modules/.installed: live/package-lock.json live/package.json live/.npmrc
	cd live && npm ci --loglevel=error --no-progress >/dev/null
	@# Once, before tests that run side by side ask for it.
	cd live && node browser/chromium.mjs >/dev/null
	@touch $@
