# Everything a developer starts. `make` alone tells what there is.
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
# Marks the environment as complete; older than the lock file means out of date.
ENVIRONMENT := .venv/.installed
# The system's uv, or one installed into var/uv. The Dockerfile installs the same version.
UV_VERSION := 0.13.9
UV := $(or $(shell command -v uv 2>/dev/null),var/uv/bin/uv)
# Named each time: .python-version is for tools, and that Python may not be there.
UV_SYNC = $(UV) sync --frozen --quiet --no-python-downloads --python "$$(command -v $(PYTHON))"

PORT ?= 8000
SANDBOX_PORT ?= 8901
JOBS ?= 20
# More for pytest, for example: make test ARGS="-k reject -x"
ARGS ?=
# Which tests, as a pytest marker expression: make test MARKERS="not browser"
MARKERS ?=
# One process per core; one test after the other: make test PARALLEL=
PARALLEL ?= -n auto --maxprocesses 4

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##- Run

.PHONY: demo
demo: $(ENVIRONMENT) ## Start the whole portal with a Greenhouse sandbox [PORT=8000 SANDBOX_PORT=8901 JOBS=20]
	@$(BIN)/python -m portal.demo --port $(PORT) --sandbox-port $(SANDBOX_PORT) --jobs $(JOBS)

.PHONY: reset
reset: $(ENVIRONMENT) ## Delete the demo's data
	@$(BIN)/python -m portal.demo --reset

.PHONY: key
key: $(ENVIRONMENT) ## Print a new key for FIELD_ENCRYPTION_KEY
	@DEBUG=true $(BIN)/python manage.py generate_encryption_key

##- Check

# Kept bytecode spares every process the assertion rewriting of all test modules.
.PHONY: test
test: $(ENVIRONMENT) ## Run all tests [ARGS="-k reject -x" MARKERS="not browser"]
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest $(PARALLEL) $(if $(MARKERS),-m "$(MARKERS)") $(if $(CI),--randomly-seed=1) $(ARGS)

.PHONY: compile-tests
compile-tests: $(ENVIRONMENT) ## Compile all test modules once, instead of in each process of a run
	@output=$$(env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n 0 --collect-only -qq) || { echo "$$output"; exit 1; }

.PHONY: bench
bench: $(ENVIRONMENT) ## Run every benchmark and write artifacts/bench/report.md [SMALL=1 ONLY="sync click" DATABASE_URL= REDIS_URL=]
	$(BIN)/python -m $(if $(SMALL),tests.bench.smoke,tests.bench.report) $(ONLY)

.PHONY: mutants
mutants: $(ENVIRONMENT) ## Mutate critical modules and report what the tests miss [SEED=1 COUNT=200 ONLY=budget]
	@$(BIN)/python -m tests.mutants --seed $(or $(SEED),1) --count $(or $(COUNT),200) --only "$(ONLY)"

.PHONY: lint
lint: $(ENVIRONMENT) ## Lint Python
	$(BIN)/ruff check .

.PHONY: format
format: $(ENVIRONMENT) ## Format Python and apply safe lint fixes
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: format-check
format-check: $(ENVIRONMENT) ## Check the formatting of Python
	$(BIN)/ruff format --check .

.PHONY: types
types: $(ENVIRONMENT) ## Check types
	DEBUG=true $(BIN)/mypy

.PHONY: imports
imports: $(ENVIRONMENT) ## Check the import contracts (docs/architecture.md)
	$(BIN)/lint-imports

.PHONY: shape
shape: $(ENVIRONMENT) ## Check names, docstrings, test names and sizes against their bars
	@$(BIN)/python .ci/shape.py

.PHONY: templates
templates: $(ENVIRONMENT) ## Lint templates
	$(BIN)/djlint templates --lint --quiet

.PHONY: workflows
workflows: $(ENVIRONMENT) ## Check .github and compose.yaml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml
	@$(BIN)/zizmor --offline --quiet --config .github/zizmor.yml .github

.PHONY: migrations
migrations: $(ENVIRONMENT) ## Check that no migration is missing
	DEBUG=true DATABASE_URL=sqlite://:memory: $(BIN)/python manage.py makemigrations --check --dry-run

.PHONY: deploy-check
deploy-check: $(ENVIRONMENT) ## Run Django's deployment checks on the production settings
	@.ci/production $(BIN)/python manage.py check --deploy --fail-level WARNING

.PHONY: secrets
secrets: $(ENVIRONMENT) ## Scan the tree for secrets
	@$(BIN)/python .ci/secrets.py

.PHONY: audit
audit: $(ENVIRONMENT) ## Check locked packages for known vulnerabilities, if the service answers
	@$(INSTALL_UV)
	@mkdir -p var && $(UV) export --frozen --quiet --no-dev --output-file var/requirements.txt
	@$(BIN)/python .ci/audit.py var/requirements.txt

.PHONY: check
check: lint format-check types imports shape templates workflows migrations deploy-check secrets audit test ## Run all of the above

##- Maintain

.PHONY: lock
lock: ## Update uv.lock after a change to pyproject.toml [UPGRADE=--upgrade]
	@$(INSTALL_UV)
	$(UV) lock $(UPGRADE)

.PHONY: clean
clean: ## Delete the environment and everything runs leave behind
	rm -rf .venv var artifacts .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(ENVIRONMENT): uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "The portal needs Python 3.11 or newer; '$(PYTHON)' is not." >&2; \
	  echo "Name another one: make PYTHON=python3.12 $(or $(MAKECMDGOALS),demo)" >&2; exit 1; }
	@$(INSTALL_UV)
	@echo "Installing packages into .venv ..."
	@start=$$(date +%s); \
	$(UV_SYNC) && \
	echo "Downloaded and installed them in $$(($$(date +%s) - start)) s."
	@start=$$(date +%s); \
	$(UV_SYNC) --compile-bytecode && \
	touch $@ && echo "Compiled them in $$(($$(date +%s) - start)) s."

# Installs uv where there is none.
define INSTALL_UV
command -v $(UV) >/dev/null || { \
  echo "Installing uv into var/uv ..."; start=$$(date +%s); \
  $(PYTHON) -c 'import ensurepip' || { \
    echo "Python cannot create virtual environments; on Debian: apt-get install python3-venv" >&2; \
    exit 1; }; \
  $(PYTHON) -m venv var/uv && \
  var/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) && \
  echo "Installed uv in $$(($$(date +%s) - start)) s."; }
endef
