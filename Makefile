# Everything a newcomer needs; only Python 3.11+ and make have to be there.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-cross lint bench soak clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "upproxy needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	@echo "Setting up $(VENV) (once; about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

demo: $(READY)  ## Serve the sample app through the whole Lambda path on http://127.0.0.1:3000
	@$(BIN)/upproxy start -C sample_app/fastapi

lint: $(READY)  ## Check style and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

test: $(READY) lint  ## Set up and pass all checks
	@$(BIN)/pytest -n 3  # one more than the cores of a small machine: many tests wait for processes

test-all:  ## The tests on every supported Python
	@for version in 3.11 3.12 3.13; do \
		$(MAKE) --no-print-directory test PYTHON=python$$version VENV=.venv-$$version || exit 1; \
	done

test-cross: $(READY)  ## Compare with AWS's own emulator, which is installed for that
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps 'aws-sam-cli>=1.140'
	@$(BIN)/pytest tests/cross

bench: $(READY)  ## Measure beside the rivals; writes docs/benchmarks.md (10 to 25 minutes)
	@$(BIN)/python -m bench

soak: $(READY)  ## What takes longer than a test may
	@$(BIN)/pytest -m soak --timeout 3600

clean:  ## Remove what the other targets made
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .hypothesis .bench dist
