# One virtual environment, made once: `setup`. Every other target makes it by itself.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Some tests wait, and two more at a time than there are cores fill that; each costs seconds of its own to load it all.
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 2 )))
# Bytecode is kept whatever the environment says: each worker, and each of the processes that tests start, would
# compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test lint format bench soak lock clean help

help:            ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | sort

setup: $(READY)  ## the virtual environment, with .venv/bin/merchantctl

$(READY): requirements.lock pyproject.toml
	@sh .ci/venv "$(PYTHON)" "$(VENV)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q controller state
	@touch $(READY)

demo: setup      ## the whole story against a local copy of the API
	$(BIN)/merchantctl demo

test: setup      ## all tests but the soak
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not soak"

lint: setup      ## style, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup    ## put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup     ## figures beside their targets; fails where one is missed
	$(BIN)/python -m benchmarks

soak: setup      ## every crash point as a process, many seeds: long
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m soak

lock:            ## requirements.lock anew; needs uv
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --no-header --all-extras pyproject.toml -o requirements.lock

clean:           ## remove what the other targets made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
