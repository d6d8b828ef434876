# The first two commands of a newcomer: `make run` and `make test`. Each sets itself up.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
WORKERS ?= 2

.PHONY: run test check format install tools lock schema clean

run: install
	@$(BIN)/billing-gql demo

test: tools
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

check: tools
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --num-workers $(WORKERS)
	$(BIN)/lint-imports
	$(BIN)/billing-gql schema --check

format: tools
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schema: install
	$(BIN)/billing-gql schema --write

install: .venv/.installed

tools: .venv/.tools

.venv/.installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "billing-gql needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { echo "Python's venv module is missing (Debian: apt install python3-venv)"; exit 1; }
	@echo "Installing the locked packages into .venv …"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.tools: .venv/.installed tests/requirements.lock
	@echo "Installing what the tests and checks need …"
	@$(PIP) --require-hashes -r tests/requirements.lock
	@touch $@

# Pins every dependency with its hashes, for all platforms, without an index's address.
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet

lock: tools
	$(COMPILE) pyproject.toml --all-extras -o tests/requirements.lock
	$(COMPILE) pyproject.toml --extra embedded --extra checkout -c tests/requirements.lock -o requirements.lock
	$(COMPILE) pyproject.toml --extra otel -c tests/requirements.lock -o docker/requirements.lock
	$(COMPILE) tests/clients/ariadne/requirements.in -o tests/clients/ariadne/requirements.lock
	echo hatchling | $(COMPILE) - -c requirements.lock -o docker/build.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf tests/clients/*/node_modules tests/clients/*/generated
