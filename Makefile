# `make demo` and `make test` do all the set-up on a machine with Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# What the tool needs, and what its tests and docs need besides; of thousands of modules few are ever compiled.
RUN := $(VENV)/.installed
ALL := $(VENV)/.installed-all
PIP := $(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
DEMO_OUT ?= demo
export OMP_NUM_THREADS ?= 1

.PHONY: env demo test slow check format docs benchmark clean

env: $(ALL)

$(RUN): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) .
	touch $@

$(ALL): $(RUN)
	$(PIP) '.[dev,data,docs]'
	touch $@

demo: $(RUN)
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
