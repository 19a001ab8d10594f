"""How much longer a whole run takes than the bare engine takes for the same tokens.

    python tests/performance/overhead.py --model CKPT --data DIR --limit 10 --max-tokens 512

Both sides use one engine, in one session, on the same token ids, in turn. The bare
side is `LLM.generate` with all requests in one batch. The run is everything a user
waits for once the engine is up: problems, sums of the weights, rendering, requests,
journal, grading, scores, final files. The engine's start is on neither side.
"""

from __future__ import annotations

import json
import platform
import statistics
import tempfile
import time
from pathlib import Path

import click

from harness.engines import ENGINES
from harness.engines.vllm import VllmEngine
from harness.environment import hardware, recorded_versions
from harness.evaluate import evaluate, open_engine
from harness.grading import Grader, Verdict
from harness.plan import Plan, prepare
from harness.sample import Sample, SampleKey
from harness.spec import EngineSpec, EvalSpec, Sampling
from harness.store import RunFolder


class Nobody:
    """A watcher that looks away."""

    def stage(self, text: str) -> None:
        """Ignore it."""

    def stored(self, sample: Sample) -> None:
        """Ignore it."""

    def graded(self, key: SampleKey, verdict: Verdict) -> None:
        """Ignore it."""


def time_bare(engine: VllmEngine, plan: Plan) -> tuple[float, int]:
    """Return the seconds and the tokens of one batch through the bare engine."""
    requests = [request for request in plan.requests() if request.max_tokens]
    prompts = [{"prompt_token_ids": list(r.prompt.token_ids or ())} for r in requests]
    parameters = [engine.parameters(request) for request in requests]
    engine.llm.reset_prefix_cache()
    began = time.perf_counter()
    outputs = engine.llm.generate(prompts, parameters, use_tqdm=False)
    seconds = time.perf_counter() - began
    return seconds, sum(len(output.outputs[0].token_ids) for output in outputs)


def time_run(engine: VllmEngine, spec: EvalSpec, data: Path | None) -> tuple[float, int]:
    """Return the seconds and the tokens of a whole run on an engine that is up."""
    engine.llm.reset_prefix_cache()
    with tempfile.TemporaryDirectory() as results:
        began = time.perf_counter()
        plan = prepare(spec, data_dir=data)
        with (
            RunFolder.create(Path(results), plan.new_run("overhead")) as folder,
            Grader() as grader,
        ):
            evaluate(plan, folder, grader=grader, watcher=Nobody(), engine=engine)
            tokens = sum(sample.completion_tokens or 0 for sample in folder.samples.values())
        return time.perf_counter() - began, tokens


@click.command()
@click.option("--model", default="demo", show_default=True)
@click.option("--data", type=click.Path(path_type=Path), envvar="HARNESS_DATA")
@click.option("--benchmarks", default="minerva_math,gsm8k,amc23,olympiadbench,math500,aime24")
@click.option("--limit", type=int, default=10, show_default=True)
@click.option("--max-tokens", type=int, default=512, show_default=True)
@click.option("--pairs", type=int, default=2, show_default=True, help="Of bare and run, in turn.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Also write the JSON here.")
def main(
    model: str,
    data: Path | None,
    benchmarks: str,
    limit: int,
    max_tokens: int,
    pairs: int,
    output: Path | None,
) -> None:
    """Print the ratio of a run's wall time to the bare engine's, and how it was measured."""
    spec = EvalSpec(
        model=model,
        benchmarks=tuple(benchmarks.split(",")),
        limit=limit,
        sampling=Sampling(max_tokens=max_tokens),
        engine=EngineSpec(name="vllm"),
    )
    plan = prepare(spec, data_dir=data)
    engine = open_engine(plan)
    if not isinstance(engine, VllmEngine):
        raise click.ClickException("this measures the vllm engine")
    time_bare(engine, plan)  # the first batch compiles and warms up
    measured: list[dict[str, object]] = []
    ratios: list[float] = []
    for _ in range(pairs):
        bare, run = time_bare(engine, plan), time_run(engine, spec, data)
        measured.append({"bare_s": bare[0], "run_s": run[0], "tokens": [bare[1], run[1]]})
        ratios.append(run[0] / bare[0])
        click.echo(f"bare {bare[0]:.1f} s, run {run[0]:.1f} s, ratio {ratios[-1]:.3f}", err=True)
    engine.close()
    result = {
        "run_over_engine": statistics.median(ratios),
        "pairs": measured,
        "requests": plan.samples,
        "spec": spec.model_dump(mode="json"),
        "versions": recorded_versions(ENGINES["vllm"].packages),
        "hardware": {**hardware(), "system": platform.platform()},
    }
    text = json.dumps(result, indent=2)
    click.echo(text)
    if output:
        output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
