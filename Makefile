# Everything from a fresh machine that has Python >= 3.11, make and a package index:
#
#   make demo       phantom data, teacher, student with and without distillation, report
#   make test       the tests (make test-all: the slow ones too)
#   make lint       ruff: rules and format
#   make docs       the documentation as a site, into build/docs
#   make notebooks  carry the notebooks out anew and keep what they show
#   make bench      speed of the input pipeline
#   make lock       write requirements.lock anew from what pyproject.toml asks for
#   make clean      remove the virtual environment and the caches (runs stay)
#
# The first call installs the exact versions of requirements.lock into .venv; later calls
# find the stamp and start at once. Another interpreter: make demo PYTHON=python3.12
# Tests run in two processes, which take 2 GiB each: make test JOBS=8 on a larger machine.

PYTHON ?= python3
VENV ?= .venv
DEMO ?= runs/demo
JOBS ?= 2
BIN := $(VENV)/bin
STAMP := $(VENV)/.kerakd-installed
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: install demo test test-all lint docs notebooks bench lock clean

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "kerakd needs Python 3.11 or newer; name one: make PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $(STAMP)

demo: $(STAMP)
	rm -rf $(DEMO)
	$(BIN)/kerakd demo --out $(DEMO)

test: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test-all: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m ""

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "build/docs/index.html"

notebooks: $(STAMP)
	$(BIN)/python notebooks/build.py

bench: $(STAMP)
	$(BIN)/kerakd benchmark pipeline

# A virtual environment that holds only what kerakd and its tests need is the lock itself.
lock:
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --upgrade 'pip>=25.1' 'setuptools>=80,<81'
	build/lock/bin/python -m pip install --quiet --group dev .
	build/lock/bin/python -m pip freeze --all --exclude pip --exclude kerakd > build/lock.txt
	mv build/lock.txt requirements.lock
	rm -rf build/lock

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
