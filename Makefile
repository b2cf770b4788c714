PYTHON ?= python3
RUN_ENV := .venv
DEV_ENV := .venv-dev
RUN := $(RUN_ENV)/bin
DEV := $(DEV_ENV)/bin
INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes
INSTALL_SELF := -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
LOCK = $(DEV)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate
CHECK_PYTHON = $(PYTHON) -c 'import sys; sys.exit("Videoteca needs Python 3.11 or later; \
	name one with make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
GENERATED := generated
LOCALE := cli/locale
PROTOS := $(wildcard protos/videoteca/v1/*.proto)
SOURCES := videoteca_core tracker_service peer_service cli tests benchmarks tools

.PHONY: help demo test check check-stubs check-translations format generate translations bench lock clean

help: ## Show these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "%-14s%s\n", $$1, $$2 }'

demo: $(RUN_ENV)/ready ## Run a tracker and two peers here and share a video (VIDEO=path)
	@$(RUN)/videoteca demo $(if $(VIDEO),"$(VIDEO)")

test: $(DEV_ENV)/ready ## Run every test
	@$(DEV)/pytest $(ARGS)

check: $(DEV_ENV)/ready ## Check format, lint, types, import directions, stubs, protos, translations
	@$(DEV)/ruff format --check $(SOURCES)
	@$(DEV)/ruff check $(SOURCES)
	@$(DEV)/mypy
	@PYTHONPATH=.:generated $(DEV)/lint-imports --no-cache
	@$(DEV)/buf lint
	@$(DEV)/buf format --diff --exit-code protos
	@$(MAKE) --no-print-directory check-stubs check-translations

check-stubs: $(DEV_ENV)/ready
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
	$(MAKE) --no-print-directory generate GENERATED="$$fresh" && \
	diff -r --exclude=__pycache__ "$$fresh/videoteca" generated/videoteca || \
	{ echo "generated/ is stale: run 'make generate' and commit it." >&2; exit 1; }

check-translations: $(DEV_ENV)/ready
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
	cp -R $(LOCALE)/. "$$fresh" && \
	$(MAKE) --no-print-directory translations LOCALE="$$fresh" && \
	diff -r "$$fresh" $(LOCALE) || \
	{ echo "The translations are stale: run 'make translations', fill in the .po and commit both." >&2; exit 1; }

format: $(DEV_ENV)/ready ## Format the code and the protos
	@$(DEV)/ruff format $(SOURCES)
	@$(DEV)/ruff check --fix $(SOURCES)
	@$(DEV)/buf format --write protos

generate: $(DEV_ENV)/ready ## Write generated/ from protos/
	@rm -rf $(GENERATED)/videoteca && mkdir -p $(GENERATED)
	@PATH="$(CURDIR)/$(DEV):$$PATH" $(DEV)/python -m grpc_tools.protoc -Iprotos --python_out=$(GENERATED) \
		--grpc_python_out=$(GENERATED) --mypy_out=quiet:$(GENERATED) --mypy_grpc_out=quiet:$(GENERATED) $(PROTOS)
	@touch $(GENERATED)/videoteca/__init__.py $(GENERATED)/videoteca/v1/__init__.py $(GENERATED)/videoteca/py.typed

translations: $(DEV_ENV)/ready ## Update and compile the translations from the code
	@$(DEV)/pybabel --quiet extract --no-location --sort-output --omit-header --keyword=N_ \
		--output=$(LOCALE)/videoteca.pot videoteca_core tracker_service peer_service cli
	@$(DEV)/pybabel --quiet update --domain=videoteca --input-file=$(LOCALE)/videoteca.pot \
		--output-dir=$(LOCALE) --no-fuzzy-matching --ignore-pot-creation-date --no-wrap
	@$(DEV)/pybabel --quiet compile --domain=videoteca --directory=$(LOCALE)

bench: $(DEV_ENV)/bench-ready ## Measure side by side with other systems (installs them if it can)
	@$(DEV)/python -m benchmarks

lock: $(DEV_ENV)/ready ## Write the lock files anew from pyproject.toml
	@$(DEV)/pip install --quiet uv
	@$(LOCK) pyproject.toml --group build --output-file requirements.lock
	@$(LOCK) pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock
	@$(LOCK) --group bench --output-file requirements-bench.lock

$(RUN_ENV)/ready: requirements.lock
	@$(CHECK_PYTHON)
	@echo "Setting up $(RUN_ENV), once; this takes a minute." >&2
	@$(PYTHON) -m venv --clear $(RUN_ENV)
	@$(RUN)/python $(INSTALL) --requirement requirements.lock
	@$(RUN)/python $(INSTALL_SELF)
	@touch $@

$(DEV_ENV)/ready: requirements-dev.lock
	@$(CHECK_PYTHON)
	@echo "Setting up $(DEV_ENV), once; this takes a minute or two." >&2
	@$(PYTHON) -m venv --clear $(DEV_ENV)
	@$(DEV)/python $(INSTALL) --requirement requirements-dev.lock
	@$(DEV)/python $(INSTALL_SELF)
	@touch $@

$(DEV_ENV)/bench-ready: requirements-bench.lock $(DEV_ENV)/ready
	@$(DEV)/python $(INSTALL) --requirement requirements-bench.lock
	@touch $@

clean: ## Remove the environments and everything that was built
	@rm -rf $(RUN_ENV) $(DEV_ENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
