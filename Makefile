# Three commands: `make eval`, `make demo` and `make test`. All set up what they need in .venv first.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# A machine with an NVIDIA GPU gets the GPU build of vLLM, any other the CPU build. An environment
# holds one of the two, and is made again when the other is asked for.
ACCELERATOR ?= $(if $(shell nvidia-smi -L 2>/dev/null),gpu,cpu)
READY := $(VENV)/.ready-$(ACCELERATOR)

.DEFAULT_GOAL := help
.PHONY: help setup eval demo test format clean

help: ## Say what there is.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(READY) ## Make .venv with everything the project needs.

$(READY): pyproject.toml requirements/install.sh requirements/cpu-overrides.txt
	PYTHON="$(PYTHON)" sh requirements/install.sh $(VENV) $(ACCELERATOR)
	@touch $@

# Compiling pays for a model of any size but this one.
eval: setup ## Evaluate the embedded demo model on the embedded demo benchmark.
	$(RUN) -m harness eval --model demo --benchmarks demo --engine-arg enforce_eager=true

# With other seeds: make demo SEEDS="1 2 3"
SEEDS ?= 1
demo: setup ## Train the demo model by two recipes of a published report, and compare the two.
	PYTHON=$(RUN) sh harness/demo/experiment.sh $(SEEDS)

# All at once: trainings in one process and other engines in two, since a start of either has waits
# in it; both yield to the other tests, in JOBS processes (with more processors: make check JOBS=8).
# Each prints when it is done, and all are run if one fails.
JOBS ?= 3
# In two where engines run beside them: a third costs more than it saves, as it imports every test.
engineless: JOBS = 2
# Otherwise waiting threads of torch spin, and take the processors from the threads they wait for:
# three determinism checks at once took 86 s of the processor on two cores, and take 29 s.
test trainings engines engineless check: export OMP_WAIT_POLICY = PASSIVE
TESTS := $(RUN) -m pytest --dist loadfile --no-loadscope-reorder -n
.PHONY: lint types trainings engines engineless check

test: setup ## Lint, check types, and run every test, real engines included.
	@$(MAKE) --no-print-directory -j5 --output-sync=target --keep-going trainings engines engineless types lint

lint: setup ## Lint, and check the format.
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: setup ## Check the types.
	$(VENV)/bin/mypy

trainings: setup ## The slow part of the tests: real trainings.
	nice -n 10 $(RUN) -m pytest -m engine tests/trainers/test_end_to_end.py

engines: setup ## The slow part of the tests: real engines, but for trainings.
	nice -n 10 $(TESTS) 2 -m engine tests --ignore=tests/trainers/test_end_to_end.py

engineless: setup ## All tests that start no engine.
	$(TESTS) $(JOBS) -m "not engine"

check: setup ## The fast tests: those of engineless but for what simulates, kills, or drives a browser.
	$(TESTS) $(JOBS) -m "not engine and not slow"

# Each measurement merges its figures into $(LATEST). Together they take most of an hour on two
# cores; for figures that mean something, nothing else runs meanwhile. Another model: see the scripts.
LATEST := tests/performance/latest.json
PEERS := $(VENV)/peers
GRADING_PEERS := $(VENV)/grading-peers
BENCHES := bench-startup bench-comparing bench-grading bench-growth bench-data bench-overhead bench-command \
	bench-sequential bench-peers bench-statistics
.PHONY: bench $(BENCHES)
ifneq ($(filter bench%,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

bench: $(BENCHES) ## Measure everything (most of an hour), and print it beside its targets.
	$(RUN) tests/performance/summary.py

bench-startup: setup ## Measure how long each command takes to start.
	$(RUN) tests/performance/startup.py --output $(LATEST)

bench-comparing: setup ## Measure diff, rank, table, show and report on runs of full size.
	$(RUN) tests/performance/comparing.py --output $(LATEST)

# With HARNESS_GRADING_CORPUS naming a folder of labelled rows, and then the documentation's table is
# made anew; else on our own cases.
bench-grading: setup $(GRADING_PEERS)/.ready ## Measure the grader's speed and accuracy beside other graders'.
	$(RUN) tests/performance/grading.py --output $(LATEST)
	$(RUN) tests/performance/accuracy.py --peers $(GRADING_PEERS) --output $(LATEST) \
		$(if $(HARNESS_GRADING_CORPUS),--docs docs/grading.md)

$(GRADING_PEERS)/.ready: tests/performance/grading_peers.sh tests/performance/grading_peers.txt | $(READY)
	PYTHON=$(RUN) sh tests/performance/grading_peers.sh $(GRADING_PEERS) $(VENV)/bin/uv
	@touch $@

bench-statistics: setup ## Simulate evaluations, and count how often intervals hold the truth and tests err.
	$(RUN) tests/performance/simulations.py --output $(LATEST)

bench-growth: setup ## Measure time and memory from a thousand to a million replayed samples.
	$(RUN) tests/performance/growth.py --output $(LATEST)

bench-data: setup ## Measure time and memory of data build from ten thousand to a hundred thousand rows.
	$(RUN) tests/performance/training_data.py --output $(LATEST)

bench-overhead: setup ## Measure a run's wall time over the bare engine's.
	$(RUN) tests/performance/overhead.py --output $(LATEST)

bench-command: setup ## Measure the whole command's wall time over a bare script's.
	$(RUN) tests/performance/command.py --output $(LATEST)

bench-sequential: setup ## Measure six benchmarks one after another over one queue.
	$(RUN) tests/performance/sequential.py --output $(LATEST)

bench-peers: setup $(PEERS)/.ready ## Measure lm-evaluation-harness over a run.
	$(RUN) tests/performance/peers.py --venv $(PEERS) --output $(LATEST)

$(PEERS)/.ready: tests/performance/peers.sh requirements/cpu-overrides.txt | $(READY)
	PYTHON=$(RUN) sh tests/performance/peers.sh $(PEERS) $(VENV)/bin/uv $(ACCELERATOR)
	@touch $@

# KILLS=100 FUZZING=60 SEED=7 make faults
KILLS ?= 50
FUZZING ?= 600
SEED ?= 0
.PHONY: faults
faults: setup ## Kill processes of evaluations, and fuzz files and flags: nothing is lost, and no traceback.
	$(RUN) tests/faults/kill_loop.py --kills $(KILLS) --seed $(SEED)
	PYTHONPATH=tests/helpers $(RUN) tests/faults/fuzz_commands.py --seconds $(FUZZING) --seed $(SEED)

# The builder is installed beside the rest only when it is first asked for.
DOCS := $(VENV)/.ready-docs
.PHONY: docs
docs: $(DOCS) ## Generate the reference pages and build the documentation into site/, links checked.
	$(RUN) docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict
	@echo "open site/index.html, or with a search: $(RUN) -m http.server -d site"

$(DOCS): pyproject.toml | $(READY)
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --editable ".[docs]"
	@touch $@

format: setup ## Format the code.
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

clean: ## Remove the environment.
	rm -rf $(VENV)
