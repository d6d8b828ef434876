# The first two commands of a newcomer: `make run` and `make test`. Each sets itself up.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2

.PHONY: run test check format install lock schema clean

run: install
	@$(BIN)/billing-gql demo

test: install
	$(BIN)/pytest -n $(WORKERS)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/billing-gql schema --check

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schema: install
	$(BIN)/billing-gql schema --write

install: .venv/.installed

.venv/.installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "billing-gql needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { echo "Python's venv module is missing (Debian: apt install python3-venv)"; exit 1; }
	@echo "Installing the locked packages into .venv …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Pins every dependency with its hashes, for all platforms, without an index's address.
lock: install
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --generate-hashes --no-header --quiet -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 \
	  --generate-hashes --no-header --quiet -c requirements.lock -o docker/requirements.lock
	$(BIN)/uv pip compile tests/clients/ariadne/requirements.in --universal --python-version 3.11 \
	  --generate-hashes --no-header --quiet -o tests/clients/ariadne/requirements.lock
	echo hatchling | $(BIN)/uv pip compile - --universal --python-version 3.11 \
	  --generate-hashes --no-header --quiet -c requirements.lock -o docker/build.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf tests/clients/*/node_modules tests/clients/*/generated
