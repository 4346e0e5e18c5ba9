# `make demo` and `make test` do all the set-up on a machine with Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
DEMO_OUT ?= demo
export OMP_NUM_THREADS ?= 1

.PHONY: env demo test slow check format docs benchmark clean

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,data,docs]'
	touch $@

demo: env
	$(BIN)/rnnspike fit sample_data/human_motor_unit.nwb --window 100ms 500ms --effort fast --out $(DEMO_OUT) --overwrite -j $(WORKERS) --format table

test: env
	$(BIN)/python -m pytest -n $(WORKERS) -m 'not slow'

slow: env
	$(BIN)/python -m pytest -n $(WORKERS) -m slow

check: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: env
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: env
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) $(DEMO_OUT) site dist .mypy_cache .pytest_cache .ruff_cache rnnspike/models/compiled/__pycache__
