# make run     a broker on port 5672
# make test    everything that must pass: lint, types, unit, compiled, interop, browser, and a few rounds of crash
# make browser the web page in a headless Chromium; make pictures those of the documents
# make crash   the broker killed under load, ROUNDS=20 times
# Needs Python 3.11 or newer (with venv) and make; a C compiler makes the broker fast.

PYTHON ?= python3
SOURCES := $(shell find amqpd -name '*.py') $(shell find amqpd/management/page -type f) pyproject.toml setup.py
REQUIREMENTS := $(wildcard interop/requirements.txt browser/requirements.txt)

# .venv           the broker as `pip install .` makes it: compiled if possible
# .venv-dev       this checkout, interpreted, with all tools
# .venv-compiled  a compiled wheel, with all tools
DEV := .venv-dev/bin
COMPILED := .venv-compiled/bin

ROUNDS ?= 20

.PHONY: run test lint format types unit compiled interop browser pictures crash bench clean

run: .venv/installed
	.venv/bin/amqpd --port 5672 --data-dir data

test: lint types unit compiled interop browser
	$(MAKE) crash ROUNDS=5

lint: .venv-dev/installed
	$(DEV)/ruff check .
	$(DEV)/ruff format --check .

format: .venv-dev/installed
	$(DEV)/ruff check --fix .
	$(DEV)/ruff format .

types: .venv-dev/installed
	$(DEV)/mypy

unit: .venv-dev/installed
	$(DEV)/amqpd --version | grep -F '(interpreted)'
	$(DEV)/python -m pytest -n auto tests

# The tests run in a copy without amqpd/, so that only the installed package can be imported.
compiled: .venv-compiled/installed
	$(COMPILED)/amqpd --version | grep -F '(compiled)'
	@set -eu; python=$$PWD/$(COMPILED)/python; copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT; \
	tar -c --exclude=./amqpd --exclude=./.git --exclude='./.venv*' --exclude='./.*_cache' --exclude=./build --exclude=./data --exclude=node_modules . \
	| tar -x -C "$$copy"; cd "$$copy"; "$$python" -m pytest -n auto -p no:cacheprovider tests

# With AMQP_URL set, against the broker there; else against this one, compiled: the tests import nothing
# of amqpd, and start it outside the checkout.
interop: .venv-compiled/installed
	if [ -x interop/setup.sh ]; then interop/setup.sh; fi
	$(COMPILED)/python -m pytest interop

# The web page of the installed broker, in Debian's Chromium; see browser/README.md.
browser: .venv-compiled/installed
	$(COMPILED)/python -m pytest -n auto browser

pictures: .venv-compiled/installed
	PICTURES=1 $(COMPILED)/python -m pytest browser -k test_pictures_of

# The example of a configuration file, which a test compares with what the settings say.
conf/amqpd.conf: amqpd/config/settings.py amqpd/config/tls_settings.py amqpd/config/example.py
	$(DEV)/python -m amqpd.config.example > $@

# A compiled broker is killed again and again under load; see crash/README.md.
crash: .venv-compiled/installed
	$(COMPILED)/python -m crash --rounds $(ROUNDS)

bench: .venv/installed
	.venv/bin/python bench/compare.py

.venv/installed: $(SOURCES)
	$(PYTHON) -m venv .venv
	rm -rf build
	.venv/bin/python -m pip install --quiet --disable-pip-version-check .
	rm -rf build
	.venv/bin/amqpd --version
	touch $@

.venv-dev/installed: pyproject.toml setup.py $(REQUIREMENTS)
	$(PYTHON) -m venv .venv-dev
	AMQPD_BUILD=interpreted $(DEV)/python -m pip install --quiet --disable-pip-version-check \
	-e '.[test]' $(REQUIREMENTS:%=-r %)
	touch $@

.venv-compiled/installed: $(SOURCES) $(REQUIREMENTS)
	$(PYTHON) -m venv .venv-compiled
	rm -rf build
	AMQPD_BUILD=compiled $(COMPILED)/python -m pip install --quiet --disable-pip-version-check \
	'.[test]' $(REQUIREMENTS:%=-r %)
	rm -rf build
	touch $@

clean:
	rm -rf .venv .venv-dev .venv-compiled build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
