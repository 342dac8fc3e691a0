# SPDX-License-Identifier: Apache-2.0
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SOURCE ?=

export PREFIX BINDIR UNITDIR DESTDIR START PURGE YES
BENCH  ?= help idle agents demo
QUICK  ?= --quick
YES    ?=
WITH   ?=

.PHONY: help demo test lint types contracts unit docs bench pins clean install-prerequisites install verify uninstall

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 24

demo: $(VENV)/.core ## tell the whole story here: make demo [SOURCE=folder or https Git URL]
	@$(BIN)/python scripts/demo.py "$(SOURCE)"

test: lint types contracts unit ## everything .ci/run checks but the demo

lint: $(VENV)/.dev ## ruff: rules and layout
	@echo "lint ..."
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .

types: $(VENV)/.dev ## mypy, strict
	@echo "types ..."
	@$(BIN)/mypy --no-error-summary

contracts: $(VENV)/.dev ## who may import whom
	@echo "contracts ..."
	@$(BIN)/lint-imports --no-logo

unit: $(VENV)/.dev ## pytest, the checks of the documents included
	@echo "tests ..."
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal

docs: $(VENV)/.core ## write docs/reference anew
	@$(BIN)/python scripts/reference.py

bench: $(VENV)/.dev ## measure: make bench [BENCH=idle] [QUICK=]
	@for name in $(BENCH); do $(BIN)/python -m bench.$$name $(QUICK) || exit 1; done

pins: $(VENV)/.uv ## resolve pyproject.toml into requirements/*.txt
	@PATH="$(CURDIR)/$(BIN):$$PATH" requirements/pins.sh

clean: ## stop the demo, remove all that make has made; a .venv that you made yourself stays
	@$(PYTHON) scripts/clean.py
	@rm -rf bench/out dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	@if [ -e $(VENV)/.made ]; then rm -rf $(VENV); fi

install-prerequisites: ## what Homeport needs from the distribution: [YES=1] [WITH="docker postgresql"]
	@deploy/prerequisites.sh $(if $(YES),--yes) $(foreach extra,$(WITH),--with $(extra))

install: ## for root into /opt/homeport, else into ~/.local: [PREFIX= BINDIR= DESTDIR= START=no]
	@$(PYTHON) -B deploy/install.py

verify: ## whether the installed Homeport works, by using it
	@$(PYTHON) -B deploy/verify.py

uninstall: ## remove what install made; the state stays unless PURGE=1
	@$(PYTHON) -B deploy/uninstall.py

$(VENV)/.uv: requirements/installer.txt
	@test -x $(BIN)/python || { echo "making $(VENV) ..." && $(PYTHON) -m venv $(VENV) && touch $(VENV)/.made; }
	@$(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes -r $<
	@touch $@

$(VENV)/.core: requirements/core.txt requirements/build.txt pyproject.toml $(VENV)/.uv
	@echo "installing Homeport into $(VENV) ..."
	@requirements/install.sh $(BIN)/python --require-hashes -r requirements/core.txt -r requirements/build.txt
	@requirements/install.sh $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.core
	@echo "installing what the tests need ..."
	@requirements/install.sh $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@
