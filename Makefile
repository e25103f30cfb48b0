# Longplay. `make demo` runs the main job, `make test` passes the tests; both make .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TESTS ?= tests
DEMO ?= demo-archive

.PHONY: demo test test-long lint bench system-packages clean

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(VENV)/.ready
	$(BIN)/longplay demo $(DEMO)

lint: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/pytest -m "not long" -n 2 $(TESTS)

test-long: $(VENV)/.ready
	$(BIN)/pytest -m long $(TESTS)

bench: $(VENV)/.ready
	for script in plan release release_command capture catalogue relevance; do $(BIN)/python -m benchmarks.$$script || exit 1; done

# What the tests marked `real` talk to. Needs root and Debian's package archive.
system-packages:
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
		aria2 ffmpeg flac libchromaprint-tools minisign mktorrent postgresql qbittorrent-nox strace

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache
