# Everything a developer starts. `make` alone tells what there is.
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
# Made anew when the lock changes; a second start only looks at its date.
ENVIRONMENT := .venv/.installed

PORT ?= 8000
SANDBOX_PORT ?= 8901
JOBS ?= 20
# More for pytest, for example: make test ARGS="-k reject -x"
ARGS ?=
# Tests run side by side, one process per core. One after the other: make test PARALLEL=
# Handed out in order: those of the browser come last in each process (tests/journeys/conftest.py).
PARALLEL ?= -n auto --maxprocesses 4

.PHONY: help
help: ## Tell what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##- Run

.PHONY: demo
demo: $(ENVIRONMENT) ## Start the whole portal with a Greenhouse sandbox [PORT=8000 SANDBOX_PORT=8901 JOBS=20]
	@$(BIN)/python -m portal.demo --port $(PORT) --sandbox-port $(SANDBOX_PORT) --jobs $(JOBS)

.PHONY: reset
reset: ## Forget what the demo has stored
	rm -rf var/demo

.PHONY: key
key: $(ENVIRONMENT) ## Print a new key for FIELD_ENCRYPTION_KEY
	@DEBUG=true $(BIN)/python manage.py make_key

##- Check

.PHONY: test
test: $(ENVIRONMENT) ## Run all tests [ARGS="-k reject -x"]
	$(BIN)/python -m pytest $(PARALLEL) $(if $(CI),-p tests.house.no_skips --randomly-seed=1) $(ARGS)

.PHONY: mutants
mutants: $(ENVIRONMENT) ## Mutate the critical modules, see what the tests miss [SEED=1 COUNT=200 ONLY=budget]
	@$(BIN)/python -m tests.mutants --seed $(or $(SEED),1) --count $(or $(COUNT),200) --only "$(ONLY)"

.PHONY: lint
lint: $(ENVIRONMENT) ## Look for mistakes in Python
	$(BIN)/ruff check .

.PHONY: format
format: $(ENVIRONMENT) ## Put Python into one shape, mend what can be mended
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: format-check
format-check: $(ENVIRONMENT) ## See that Python is in that shape
	$(BIN)/ruff format --check .

.PHONY: types
types: $(ENVIRONMENT) ## Check types
	DEBUG=true $(BIN)/mypy

.PHONY: walls
walls: $(ENVIRONMENT) ## Check who may import whom (the rooms of docs/architecture.md)
	$(BIN)/lint-imports

.PHONY: templates
templates: $(ENVIRONMENT) ## Look for mistakes in templates
	$(BIN)/djlint templates --lint --quiet

.PHONY: migrations
migrations: $(ENVIRONMENT) ## See that no migration is missing
	DEBUG=true DATABASE_URL=sqlite://:memory: $(BIN)/python manage.py makemigrations --check --dry-run

.PHONY: deploy-check
deploy-check: $(ENVIRONMENT) ## Django's own check of the production settings
	@.ci/production $(BIN)/python manage.py check --deploy --fail-level WARNING

.PHONY: secrets
secrets: $(ENVIRONMENT) ## Look for secrets in the tree
	@$(BIN)/python .ci/secrets.py

.PHONY: audit
audit: $(ENVIRONMENT) ## Ask for known vulnerabilities of what is locked; says so where nobody answers
	@$(BIN)/python .ci/audit.py

.PHONY: check
check: lint format-check types walls templates migrations deploy-check secrets audit test ## All of the above: what CI does

##- Keep

.PHONY: lock
lock: ## Write the lock files anew from pyproject.toml [UPGRADE=--upgrade]
	test -x var/uv/bin/uv || { $(PYTHON) -m venv var/uv && var/uv/bin/pip install --quiet uv; }
	var/uv/bin/uv pip compile $(LOCK) pyproject.toml --output-file requirements.lock
	var/uv/bin/uv pip compile $(LOCK) --group dev pyproject.toml --output-file requirements-dev.lock
LOCK = --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock" $(UPGRADE)

.PHONY: clean
clean: ## Remove the environment and everything that a run leaves behind
	rm -rf .venv var artifacts .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(ENVIRONMENT): requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "The portal needs Python 3.11 or newer; '$(PYTHON)' is not." >&2; \
	  echo "Name another one: make PYTHON=python3.12 $(or $(MAKECMDGOALS),demo)" >&2; exit 1; }
	@echo "Making the environment in .venv (once; a minute or two) ..."
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { \
	  echo "Python could not make a virtual environment; on Debian: apt-get install python3-venv" >&2; \
	  exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
