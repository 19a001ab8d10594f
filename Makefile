# Three commands: `make eval`, `make demo` and `make test`. All set up what they need in .venv first.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# A machine with an NVIDIA GPU gets the GPU build of vLLM, any other the CPU build.
ACCELERATOR ?= $(if $(shell nvidia-smi -L 2>/dev/null),gpu,cpu)
READY := $(VENV)/.ready-$(ACCELERATOR)

.DEFAULT_GOAL := help
.PHONY: help setup eval demo test check bench-grading bench-comparing bench-growth format clean

help: ## Say what there is.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

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

test: setup ## Lint, check types, and run every test, real engines included.
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(RUN) -m pytest

check: setup ## The fast part of the tests: no engine is started.
	$(RUN) -m pytest -m "not engine"

# With HARNESS_GRADING_CORPUS naming a folder of labelled rows; else on our own cases.
bench-grading: setup ## Measure the grader's speed beside math-verify's, and its accuracy.
	$(RUN) tests/performance/grading.py --output tests/performance/latest.json

bench-comparing: setup ## Measure how long comparing stored runs takes.
	PYTHONPATH=tests/helpers $(RUN) tests/performance/comparing.py --output tests/performance/latest.json

bench-growth: setup ## Measure time and memory from a thousand to a million replayed samples.
	$(RUN) tests/performance/growth.py --output tests/performance/latest.json

format: setup ## Format the code.
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

clean: ## Remove the environment.
	rm -rf $(VENV)
