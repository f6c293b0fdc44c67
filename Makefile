# Everything a developer runs. Each target does its own set-up; nothing outside this folder is changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
FUZZ_SECONDS ?= 300

.PHONY: help demo test check lint types layers docs format real real-vectors real-gateways real-http real-network reference bench pictures fuzz clean

help:  ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	touch $@

demo: $(VENV)/.ready  ## Run doctor against the embedded demo server, healthy and with a silent fault
	$(BIN)/bgecheck demo
	@echo
	@echo "The same server with sglang's default settings: 200 OK, norm 1.0, and wrong vectors."
	$(BIN)/bgecheck demo --fault repeat-differs || test $$? -eq 1

test: $(VENV)/.ready  ## Run the tests
	$(BIN)/python -m pytest --numprocesses $(WORKERS)

check: lint types layers docs  ## Lint, types, layers, and the generated docs

lint: $(VENV)/.ready  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready  ## mypy --strict
	$(BIN)/mypy

layers: $(VENV)/.ready  ## import-linter: imports go down only
	$(BIN)/lint-imports

docs: $(VENV)/.ready  ## Compare the generated pages with the rows they come from
	$(BIN)/bgecheck matrix --markdown --lang en | diff -u docs/matrix.md -
	$(BIN)/bgecheck matrix --markdown --lang zh | diff -u docs/matrix.zh.md -

format: $(VENV)/.ready  ## Format the code and regenerate the pages
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/bgecheck matrix --markdown --lang en > docs/matrix.md
	$(BIN)/bgecheck matrix --markdown --lang zh > docs/matrix.zh.md

real: $(VENV)/.ready  ## Prove it against the true sglang on CPU (Linux x86-64, Python 3.11+, 3.2 GB, minutes)
	real/setup.sh
	real/setup_old.sh
	$(BIN)/python real/prove.py
	$(BIN)/python real/vectors.py

real-vectors: $(VENV)/.ready  ## The part of `make real` that shows wrong vectors, fault by row, and repeats the right ones
	real/setup.sh
	real/setup_old.sh
	$(BIN)/python real/vectors.py

real-gateways: $(VENV)/.ready  ## Prove `probe` against sentence-transformers behind nginx (needs nginx and openssl)
	real/setup_st.sh
	$(BIN)/python real/gateways.py

real-http: $(VENV)/.ready  ## Prove `probe`, `doctor` and `snippet` over HTTP: sglang of two releases, Infinity, LiteLLM (minutes)
	real/setup.sh
	real/setup_old.sh
	real/setup_st.sh
	real/setup_infinity.sh
	real/setup_litellm.sh
	real/setup_clients.sh
	$(BIN)/python real/http_seen.py

real-network: $(VENV)/.ready  ## Prove `doctor` across network namespaces, as between containers (as root, with iproute2)
	real/setup.sh
	$(BIN)/python real/network.py

reference: $(VENV)/.ready  ## Compare the reference encoder with transformers to 1e-5, and what it costs (builds what `make real` builds)
	real/setup.sh
	real/.venv/bin/python real/compare_encoder.py
	$(BIN)/python real/encoder_cost.py

bench: $(VENV)/.ready  ## Start-up, doctor and logs, as ratios against a named peer (logs needs ripgrep and 1.1 GB for a while)
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/doctor.py
	$(BIN)/python benchmarks/logs.py || test $$? -eq 2

pictures: $(VENV)/.ready  ## Make the pictures of docs/pictures anew, from the demo on a terminal
	$(BIN)/python docs/pictures.py

fuzz: fuzz/.venv/.ready  ## Fuzz the log reader and its rules with atheris, for FUZZ_SECONDS=300 (Linux, Python 3.11 to 3.13)
	fuzz/.venv/bin/python fuzz/logs.py $(FUZZ_SECONDS)

fuzz/.venv/.ready: pyproject.toml fuzz/requirements.txt
	$(PYTHON) -m venv fuzz/.venv
	fuzz/.venv/bin/pip install --quiet --requirement fuzz/requirements.txt --editable '.[fast]'
	touch $@

clean:  ## Remove what the targets made
	rm -rf $(VENV) fuzz/.venv fuzz/.corpus .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf real/.venv* real/clients real/models real/logs
