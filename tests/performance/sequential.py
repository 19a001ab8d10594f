"""How much longer six benchmarks take one after another than in one queue, on the same engine.

    python tests/performance/sequential.py [--model M --data DIR] [-o tests/performance/latest.json]

One after another, each benchmark waits for its last response before the next begins, as the
runners of Qwen2.5-Math and lighteval do; in one queue the last responses of one benchmark share
the batch with others. Both sides are the same requests through the same `Engine.generate`, in
turn; nothing else is on either side (no grading in the pauses, no preparing: those are alike).
How long the responses are decides everything, so there are two figures. `sequential_over_run` has
the lengths that a 0.5B chat model's responses to the six real benchmarks had, halved, the limit
included into which a tenth to a third of them ran (`recorded.py`: stop tokens are ignored, and
each request ends at its recorded length). The details have the ratio for the embedded model's own
lengths, which are all short and alike. With `--data` there is only the model's own.

What a token costs decides as well: where it is dear, the batch's other tokens hide what a step
costs by itself. A CPU without instructions for bfloat16 makes them so, and who evaluates on one
asks for float32; `sequential_over_run_float32` has that, unless `--dtype` says otherwise or there
is a GPU.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from measuring import output_option, publish, say
from pairs import Pairs
from workload import Workload, open_vllm, workload_options

from harness.engines import Request
from harness.engines.vllm.engine import VllmEngine


def draw(engine: VllmEngine, requests: Iterable[Request]) -> int:
    """Draw until the last response is there, and return the number of tokens."""
    engine.forget()
    owed = (request for request in requests if request.max_tokens)
    return sum(completion.completion_tokens or 0 for completion in engine.generate(owed))


def measure(workload: Workload, pairs: int) -> Pairs:
    """Measure both sides in turn, after a benchmark to warm up."""
    whole = workload.plan()
    parts = [workload.plan(name) for name in workload.benchmarks]
    engine = open_vllm(whole)
    draw(engine, parts[0].requests())
    both = Pairs("sequential", "run")
    for _ in range(pairs):
        both.take(
            lambda: sum(draw(engine, part.requests()) for part in parts),
            lambda: draw(engine, whole.requests()),
        )
    engine.close()
    return both


@click.command()
@click.option("--pairs", default=2, show_default=True)
@output_option
@workload_options()
def main(workload: Workload, pairs: int, output: Path | None) -> None:
    """Print the ratio of the time one after another to the time in one queue."""
    both = measure(workload, pairs)
    figures = {"sequential_over_run": both.ratio}
    details = {"pairs": both.details, **workload.says}
    if not workload.natural:
        say("the same with the model's own lengths:")
        natural = measure(workload.naturally(), pairs)
        details["natural"] = {"sequential_over_run": natural.ratio, "pairs": natural.details}
    if workload.emulates:
        say("the same in float32:")
        exact = measure(workload.in_float32(), pairs)
        figures["sequential_over_run_float32"] = exact.ratio
        details["float32"] = {"pairs": exact.details}
    publish("sequential", figures, details, output, packages=VllmEngine.packages)


if __name__ == "__main__":
    main()
