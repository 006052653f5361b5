# Everything from a fresh machine that has Python >= 3.11, make and a package index:
#
#   make demo       phantom data, teacher, student with and without distillation, report
#   make test       the tests (make test-all: the slow ones too, and JAX and PyTorch)
#   make lint       ruff: rules and format
#   make docs       the documentation as a site, into build/docs
#   make notebooks  carry the notebooks out anew and keep what they show
#   make bench      speed of the input pipeline
#   make lock       write requirements.lock anew from what pyproject.toml asks for
#   make clean      remove the virtual environment and the caches (runs stay)
#
# The first call installs the exact versions of requirements.lock into .venv; later calls
# find the stamp and start at once. Another interpreter: make demo PYTHON=python3.12
# test-all also makes .venv-backends, which holds JAX and PyTorch and no TensorFlow, from
# requirements-backends.lock. On Linux the PyPI's PyTorch is the one for CUDA: name
# PyTorch's own index of CPU builds in PIP_EXTRA_INDEX_URL, or the tests with it skip.
# Tests run in two processes, which take 2 GiB each: make test JOBS=8 on a larger machine.

PYTHON ?= python3
VENV ?= .venv
BACKENDS ?= .venv-backends
DEMO ?= runs/demo
JOBS ?= 2
BIN := $(VENV)/bin
STAMP := $(VENV)/.kerakd-installed
BACKENDS_STAMP := $(BACKENDS)/.kerakd-installed
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: install demo test test-all lint docs notebooks bench lock lock-backends clean

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

$(BACKENDS_STAMP): requirements-backends.lock pyproject.toml
	$(PYTHON) -m venv $(BACKENDS)
	$(BACKENDS)/bin/python -m pip install --quiet --no-deps \
	  --requirement requirements-backends.lock
	$(BACKENDS)/bin/python -m pip install --quiet --no-deps --editable .
	@touch $(BACKENDS_STAMP)

test-all: $(STAMP) $(BACKENDS_STAMP)
	KERAKD_BACKENDS_PYTHON=$(abspath $(BACKENDS)/bin/python) $(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m ""

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
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

# The same versions as in requirements.lock, where both have a package.
lock-backends:
	rm -rf build/lock-backends
	$(PYTHON) -m venv build/lock-backends
	build/lock-backends/bin/python -m pip install --quiet --constraint requirements.lock \
	  keras jax torch scipy scikit-learn pandas pillow pyyaml typer rich matplotlib \
	  nibabel pytest
	build/lock-backends/bin/python -m pip freeze --exclude pip | sed 's/+cpu//' \
	  > build/lock-backends.txt
	mv build/lock-backends.txt requirements-backends.lock
	rm -rf build/lock-backends

clean:
	rm -rf $(VENV) $(BACKENDS) build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
