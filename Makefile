# Every target sets up .venv itself when it is missing or older than the lock file.
#
#   make PYTHON=python3.12 install     another interpreter (3.11 or newer)
#   make demo ARGS="--seconds 30"      options for the command behind a target

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
# mypy finds its files in pyproject.toml
SOURCES := $(wildcard alpha backtest benchmarks database paper_exchange strategies telegram_manager tests \
	trade_sync_service websocket_listener setup.py)
# Which modules run as machine code; pyproject.toml names those that shall
COMPILED := alpha/compiled.txt

.DEFAULT_GOAL := help
.PHONY: help install compile interpreted demo test test-fast test-compiled test-compose lint format types bench soak audit lock clean

help: ## show this
	@echo "make demo and make test are all you need to begin."
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | \
		while IFS='|' read -r name text; do printf '  %-10s %s\n' "$$name" "$$text"; done

install: $(INSTALLED) ## make .venv with the locked packages and the alpha command

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 or newer is needed, '$(PYTHON)' is not: make PYTHON=/path/to/python3.11 install" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "'$(PYTHON) -m venv' does not work here: install the venv module (Debian: apt install python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

compile: $(COMPILED) ## make machine code of the inner loops, where there is a C compiler: twice as fast

$(COMPILED): $(INSTALLED) setup.py $(shell find $(SOURCES) -name '*.py' -not -path 'tests/*')
	ALPHA_COMPILE=1 $(BIN)/python setup.py --quiet build_ext --inplace

interpreted: ## run the source again, without what `make compile` made
	@rm -f $(COMPILED)
	@find $(SOURCES) -name '*.so' -delete

demo: $(INSTALLED) ## run the whole platform for a minute on a market of its own
	$(BIN)/alpha demo $(ARGS)

test: $(INSTALLED) interpreted ## run every test
	$(BIN)/python -m pytest -n 4 --dist loadfile $(ARGS)

test-fast: $(INSTALLED) interpreted ## run the tests that take moments
	$(BIN)/python -m pytest -n 4 --dist loadfile -m 'not slow' $(ARGS)

# The kill tests and drills are of the source alone: their listeners without recovery or fencing are made by patching.
test-compiled: $(COMPILED) ## compile, and test what is compiled
	$(BIN)/python -m pytest -n 4 --dist loadfile --compiled tests/unit tests/property strategies \
		tests/integration/backtest tests/integration/exchange tests/integration/listener $(ARGS)

test-compose: $(INSTALLED) interpreted ## run the compose file on a real Docker engine, where there is one
	$(BIN)/python -m pytest tests/compose $(ARGS)

lint: $(INSTALLED) ## check style, and that no secret is committed
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/python .ci/secret_scan.py

format: $(INSTALLED) ## correct style
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

types: $(INSTALLED) ## check types
	$(BIN)/mypy $(ARGS)

bench: $(INSTALLED) ## measure the listener against its targets (ARGS="--quick", "--write docs/performance.md")
	@$(MAKE) --no-print-directory compile || echo "measuring interpreted code" >&2
	$(BIN)/python -m benchmarks $(ARGS)

soak: $(INSTALLED) ## break everything for ten minutes, or for as long as told: ARGS="--minutes 60"
	$(BIN)/alpha drill --minutes 10 $(ARGS)

audit: $(INSTALLED) ## look up known weaknesses of the locked packages
	$(BIN)/pip-audit --disable-pip --require-hashes --requirement requirements.lock

# Without the addresses of the index that happens to be configured here.
lock: $(INSTALLED) ## renew the lock file from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --all-extras --upgrade \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--output-file requirements.lock pyproject.toml

clean: interpreted ## remove what the tools left, keep .venv and .alpha
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
