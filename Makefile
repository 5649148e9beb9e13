# Two commands: `make up` starts Blazon, `make test` proves it. `make help` lists the others.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin

# An environment that was moved or copied here is made anew.
ifneq ($(filter-out $(CURDIR),$(shell cat $(VENV)/.place 2>/dev/null)),)
MOVED := moved
endif

.PHONY: help up env test lint format bench lock docs clean moved

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(VENV)/.ready ## Make the environment and start Blazon; options in ARGS
	@exec $(BIN)/blazon up $(ARGS)

env: $(VENV)/.ready ## Make the environment, and start nothing

test: $(VENV)/.dev-ready ## Install what the tests need and run them; options in ARGS
	@scripts/servers postgresql redis rabbitmq softhsm gnutls nss
	@$(BIN)/python -m pytest -n $(or $(JOBS),2) --dist loadgroup $(ARGS)

lint: $(VENV)/.dev-ready ## ruff and mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.dev-ready ## Format the code
	@$(BIN)/ruff check --fix --select I .
	@$(BIN)/ruff format .

bench: $(VENV)/.dev-ready ## Measure speed, beside limits measured in the same run
	@scripts/servers postgresql redis rabbitmq bench
	@$(BIN)/python -m bench $(ARGS)

docs: $(VENV)/.ready ## Make the generated pages of the documentation anew
	@$(BIN)/python scripts/pages.py

lock: ## Pin every dependency, with hashes
	@scripts/lock

$(VENV)/.ready: requirements.lock pyproject.toml scripts/environment $(MOVED)
	@scripts/environment $(PYTHON) $(VENV) requirements.lock
	@touch $@

$(VENV)/.dev-ready: $(VENV)/.ready requirements-dev.lock
	@scripts/environment $(PYTHON) $(VENV) requirements-dev.lock
	@touch $@

clean: ## Remove the environment; the data folder stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
