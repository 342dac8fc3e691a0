# SPDX-License-Identifier: Apache-2.0
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCE ?=

.PHONY: demo test lint docs pins clean help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: requirements/core.txt requirements/build.txt pyproject.toml | $(BIN)/python
	@echo "installing Homeport into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements/core.txt -r requirements/build.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.core
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

pins: ## resolve pyproject.toml into requirements/*.txt (needs uv)
	requirements/pins.sh
