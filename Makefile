# Two commands on a fresh machine: `make quickstart` and `make test`. Needs git, make, Python 3.11 or 3.12 and
# package registries. `make test ARGS="-k guard"` passes arguments on to pytest.
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Real photographs, where they lie beside the checkout.
ifneq ($(wildcard ../shared/data),)
export LIC_DATA ?= $(abspath ../shared/data)
endif

.PHONY: quickstart test lint docs format clean

quickstart: $(INSTALLED)
	$(BIN)/lic chain quickstart

test: $(INSTALLED)
	$(BIN)/pytest -n auto $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(INSTALLED)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV)

# The first Python 3.11 or 3.12 that can make an environment; PYTHON=… names another to try first.
$(INSTALLED): pyproject.toml constraints.txt
	@for python in $(PYTHON) python3.12 python3.11 python3; do \
	  $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null || continue; \
	  found=$$python; \
	  $$python -c 'import ensurepip, venv' 2>/dev/null && exec $$python -m venv $(VENV); \
	done; \
	if [ -n "$$found" ]; \
	then echo "$$found can't make virtual environments: apt-get install python3-venv" >&2; \
	else echo "no Python 3.11 or 3.12 here: apt-get install python3 python3-venv" >&2; \
	fi; \
	exit 1
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[codecs,dev,docs,joblib,notebooks,optuna,perceptual,slurm,wandb-report]'
	@touch $@
