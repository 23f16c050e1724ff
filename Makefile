# make serve            run the index, with everything embedded, on http://127.0.0.1:6543
# make test ARGS=-x     run the tests
# make lint | format    check | repair style and types
# make bench            measure memory and speed of a running index
# make lock             pin the dependencies of pyproject.toml anew (ARGS=--upgrade: the newest)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := $(BIN)/uv --quiet pip compile pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" $(ARGS)

.PHONY: serve test lint format bench lock

serve: $(VENV)/.serve
	$(BIN)/greenroom serve $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),--numprocesses auto --dist worksteal)

lint: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.test
	$(BIN)/python -m bench.memory $(ARGS)
	$(BIN)/python -m bench.request_rate $(ARGS)
	$(BIN)/python -m bench.search

lock: $(VENV)/.test
	$(LOCK) --group build --output-file requirements/serve.txt
	$(LOCK) --group build --extra s3 --output-file requirements/image.txt
	$(LOCK) --group build --extra s3 --group test --group lint --output-file requirements/test.txt

# The stamps $(VENV)/.serve and $(VENV)/.test say what is installed.
$(VENV)/.%: requirements/%.txt pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes --requirement $<
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, for example: make PYTHON=python3.13" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
