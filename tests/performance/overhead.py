"""How much longer a whole run takes than the bare engine takes for the same tokens.

    python tests/performance/overhead.py [--model M --data DIR] [-o tests/performance/latest.json]

Both sides use one engine, in a process of its own, on the same token ids with the same sampling
parameters, in turn. The engine's side is `LLM.generate` with all requests in one call: no text is
made of the tokens, and nothing is kept. The run's side is everything that a run does once the
engine is up: it reads the problems, sums the checkpoint's files, opens its tokenizer, renders the
prompts, draws, decodes, writes the journal, grades in processes of its own, scores, and writes the
final files. On neither side are the import of Python modules, the engine's start, and that of the
first process for grading, which a run has beside it; `command.py` measures with those.

Where the checkpoint's type is one that a CPU may have no instructions for, the same is measured in
float32, too: `run_over_engine_float32`, in which what a run adds weighs more.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
from measuring import output_option, publish, say
from pairs import Pairs
from workload import Workload, open_vllm, workload_options

from harness.engines.vllm.engine import VllmEngine
from harness.evaluation.pipeline import evaluate
from harness.evaluation.plan import Plan
from harness.grading import Grader
from harness.runs.folder import RunFolder
from harness.runs.samples_table import load_writer


def generate(engine: VllmEngine, plan: Plan) -> int:
    """Draw everything in one call and return the number of tokens."""
    engine.forget()
    requests = [request for request in plan.requests() if request.max_tokens]
    return int(engine.host.call("bare", requests))


def warm_grader() -> Grader:
    """Return a grader whose first process has started, as it does while the engine starts."""
    grader = Grader()
    grader.warm_up()
    assert grader.grade_answer("1+1", r"\sum_{k=1}^{2} 1").correct  # no rule knows of sums
    return grader


def whole_run(engine: VllmEngine, grader: Grader, workload: Workload, results: Path) -> int:
    """Do a whole run on an engine that is up and return the number of tokens."""
    engine.forget()
    plan = workload.plan()
    with RunFolder.create(results, plan.new_run("overhead")) as folder, grader:
        run = evaluate(plan, folder, grader=grader, engine=engine)
    return run.usage.completion_tokens


def measure(workload: Workload, pairs: int) -> Pairs:
    """Measure both sides in turn, after a benchmark to warm up."""
    plan = workload.plan()
    engine = open_vllm(plan)
    generate(engine, workload.plan(workload.benchmarks[0]))
    load_writer()  # a run imports it while the engine starts
    both = Pairs("run", "engine")
    with tempfile.TemporaryDirectory() as name:
        for number in range(pairs):
            results = Path(name) / str(number)
            grader = warm_grader()
            both.take(
                lambda: whole_run(engine, grader, workload, results),  # noqa: B023
                lambda: generate(engine, plan),
            )
    engine.close()
    return both


@click.command()
@click.option("--pairs", default=5, show_default=True)
@output_option
@workload_options()
def main(workload: Workload, pairs: int, output: Path | None) -> None:
    """Print the ratio of a run's wall time to the bare engine's, and how it was measured."""
    both = measure(workload, pairs)
    figures = {"run_over_engine": both.ratio}
    details = {"pairs": both.details, **workload.says}
    if workload.emulates:
        say("the same in float32:")
        exact = measure(workload.in_float32(), pairs)
        figures["run_over_engine_float32"] = exact.ratio
        details["float32"] = {"pairs": exact.details}
    publish("overhead", figures, details, output, packages=VllmEngine.packages)


if __name__ == "__main__":
    main()
