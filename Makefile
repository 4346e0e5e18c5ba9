# `make demo` and `make test` do all the set-up on a machine with Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# What the tool needs, and what its tests and docs need besides; of thousands of modules few are ever compiled.
RUN := $(VENV)/.installed
ALL := $(VENV)/.installed-all
PIP := $(BIN)/pip install --quiet --no-compile --constraint constraints.txt
# An environment with the lowest versions that pyproject.toml allows: on Python 3.11, for which all of them have wheels.
LOWEST := .venv-lowest
# Reading, writing, a fit with its report, and the commands that touch most libraries.
SMOKE := -m 'not slow' tests/recording/formats tests/recording/test_read.py tests/recording/test_write.py tests/report/test_build.py tests/nwb_export \
	$(foreach command,collect dynamics fit inspect psth simulate,tests/cli/test_$(command).py)
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
DEMO_OUT ?= demo
export OMP_NUM_THREADS ?= 1
# The tests start hundreds of processes, which should not compile everything anew, whatever the machine's default.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: env demo test slow lowest check format docs clean

env: $(ALL)

$(RUN): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade 'pip>=25.1'  # which knows --group
	$(PIP) --editable .
	touch $@

$(ALL): $(RUN)
	$(PIP) --group dev --group data --group docs
	touch $@

demo: $(RUN)
	$(BIN)/rnnspike fit sample_data/human_motor_unit.nwb --window 100ms 500ms --effort fast --out $(DEMO_OUT) --overwrite -j $(WORKERS) --format table

test: env
	$(BIN)/python -m pytest -n $(WORKERS) -m 'not slow'

slow: env
	$(PIP) --group workflows
	$(BIN)/python -m pytest -n $(WORKERS) -m slow

lowest:
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/pip install --quiet --no-compile --constraint constraints.txt torch uv
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --constraint constraints.txt --editable . --group test
	$(LOWEST)/bin/python -m pytest -W default -n $(WORKERS) $(SMOKE)

check: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: env
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: env
	$(BIN)/zensical build --strict

clean:
	rm -rf $(VENV) $(LOWEST) $(DEMO_OUT) site dist .mypy_cache .pytest_cache .ruff_cache
	find rnnspike -name __pycache__ -prune -exec rm -rf {} +
