# Everything here runs on a machine that has Python >= 3.11 and make.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
DATA   ?= cact-data
PORT   ?= 8000

.PHONY: demo test lint bench messages lock clean

demo: $(VENV)/ready  ## the sample bank, a wave of 30 people and a server on 127.0.0.1
	@$(BIN)/cact demo --data $(DATA) --port $(PORT)

test: $(VENV)/ready  ## lint, types, the package order and every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	PYTHONDONTWRITEBYTECODE= OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder  # two workers, each with one thread of linear algebra; long files come first; the processes that tests start find everything compiled

lint: $(VENV)/ready  ## mend what ruff can mend, then check the rest
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/peers  ## speed, beside the peers
	$(BIN)/python -m tests.bench

messages: $(VENV)/ready  ## collect the texts of the pages and reports, merge them into the translations, compile
	$(BIN)/pybabel -q extract -F pyproject.toml -k _l -k _n:1,2 --no-location --sort-output --omit-header -o webtest/translations/messages.pot webtest calibration
	$(BIN)/pybabel -q update -i webtest/translations/messages.pot -d webtest/translations --no-fuzzy-matching --ignore-obsolete --omit-header
	$(BIN)/pybabel -q compile --use-fuzzy -d webtest/translations  # a file without a header counts as fuzzy

lock:  ## renew requirements.lock from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--group dev pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--group bench --constraints requirements.lock pyproject.toml -o requirements-bench.lock

$(VENV)/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("CACT needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another one: make demo PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV) || { echo "The virtual environment $(VENV) cannot be made: is this folder writable, and is the venv module installed (Debian: apt install python3-venv)?"; exit 1; }
	@echo "Installing the locked dependencies into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/peers: $(VENV)/ready requirements-bench.lock
	@echo "Installing the peers that the benchmarks run beside (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
