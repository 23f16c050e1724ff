# make serve            run the index, with everything embedded, on http://127.0.0.1:6543
# make test ARGS=-x     run the tests
# make lint | format    check | repair style and types
# make bench            measure the index beside its peers, its search, a large release, an upstream
#                       behind it (ARGS=--quick)
# make publish-client INDEX=https://index.example   put twine-stage on your index
# make publish-greenroom INDEX=https://index.example   put greenroom itself on your index
# make lock             pin the dependencies of pyproject.toml anew (ARGS=--upgrade: the newest)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := $(BIN)/uv --quiet pip compile --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" $(ARGS)

# Without compiled modules every start of a process takes seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: serve test lint format bench lock publish-client publish-greenroom

serve: $(VENV)/.serve
	$(BIN)/greenroom serve $(ARGS)

test: $(VENV)/.test $(VENV)/.clients $(VENV)/.browser $(VENV)/bench/simple-repository/installed
	$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),--numprocesses auto --dist worksteal)

lint: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.test
	$(BIN)/python -m bench.side_by_side --json $(VENV)/bench/side-by-side.json $(ARGS)
	$(BIN)/python -m bench.upstream --json $(VENV)/bench/upstream.json $(filter --quick,$(ARGS))
	$(BIN)/python -m bench.search
	$(BIN)/python -m bench.release

publish-client publish-greenroom: $(VENV)/.test
	@test -n "$(INDEX)" || { echo "Say which index: make $@ INDEX=https://index.example"; exit 2; }
	rm -rf $(VENV)/publish
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir $(VENV)/publish $(if $(filter publish-client,$@),./client,.)
	TWINE_USERNAME=__token__ $(BIN)/python -m twine upload --repository-url $(INDEX)/legacy/ $(VENV)/publish/*.whl

lock: $(VENV)/.test
	$(LOCK) pyproject.toml --group build --output-file requirements/serve.txt
	$(LOCK) pyproject.toml --group build --extra s3 --output-file requirements/image.txt
	$(LOCK) pyproject.toml --group build --extra s3 --group test --group lint \
		--output-file requirements/test.txt
	$(LOCK) --group clients --output-file requirements/clients.txt
	for peer in pypiserver devpi simple-repository proxpi servers; do \
		$(LOCK) --group bench-$$peer --output-file requirements/bench-$$peer.txt || exit; done

# The stamps $(VENV)/.serve, $(VENV)/.test and $(VENV)/.clients say what is installed; twine-stage
# is for tests only.
$(VENV)/.test: client/pyproject.toml

$(VENV)/.%: requirements/%.txt pyproject.toml | $(BIN)/python
	@echo "Installing what $(<F) names into $(VENV): once, in a minute or two"
	@$(PIP) install --require-hashes --requirement $<
	@$(PIP) install --no-deps --no-build-isolation --editable . $(if $(filter test,$*),--editable client)
	@touch $@

# Clients and this project do not agree on what they depend on.
$(VENV)/.clients: requirements/clients.txt | $(VENV)/.test
	@echo "Installing the clients that tests run into $(VENV)/clients: once, in a minute or two"
	@$(BIN)/python -m venv --clear --without-pip $(VENV)/clients
	@$(PIP) --python $(VENV)/clients/bin/python install --require-hashes --requirement $<
	@touch $@

# A peer that tests have behind the index; the bench makes the others when it first wants them.
$(VENV)/bench/%/installed: requirements/bench-%.txt | $(VENV)/.test
	@$(BIN)/python -m bench.servers $*

# What tests in a browser take from npm.
$(VENV)/.browser: tests/browser/packages/package-lock.json | $(BIN)/python
	@rm -rf $(VENV)/browser && mkdir -p $(VENV)/browser
	@cp $(<D)/package.json $< $(VENV)/browser
	@if command -v npm >/dev/null; then \
		npm ci --silent --ignore-scripts --no-audit --no-fund --prefix $(VENV)/browser && touch $@; \
	else echo "npm is not installed: tests that need axe are skipped"; fi

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, for example: make PYTHON=python3.13" if sys.version_info < (3, 11) else 0)'
	@echo "Making an environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
