"""How much longer the whole command takes than the shortest script that draws the same tokens.

    python tests/performance/command.py [--model M --data DIR] [-o tests/performance/latest.json]

From the start of a process to its end, as a user waits for it: `python -m harness eval` against
`bare.py`, in turn. Both import vLLM, start an engine with the same settings, and draw the same
number of tokens from the same token ids; both end with the texts in a file. Only the command
knows problems, prompts, verdicts and scores. There is no target: what is seen here is that a
user does not pay for them.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from made import HERE, output_of
from measuring import output_option, publish
from pairs import Pairs
from recorded import length_of
from workload import Workload, bare_settings, workload_options

from harness.engines import Request
from harness.engines.vllm.queue import PACKAGES, VARIABLES
from harness.evaluation.plan import Plan
from harness.runs.catalogue import Catalogue
from harness.runs.record import Run


def bare_job(workload: Workload) -> dict[str, Any]:
    """Return all that the bare script has to be told."""
    plan = workload.plan()
    assert plan.checkpoint is not None
    requests = [request for request in plan.requests() if request.max_tokens]
    return {
        "settings": {
            "model": str(plan.checkpoint.path),
            "generation_config": "vllm",
            **bare_settings(plan),
        },
        "prompts": [request.prompt.token_ids for request in requests],
        "parameters": [parameters(request, plan, workload.natural) for request in requests],
    }


def parameters(request: Request, plan: Plan, natural: bool) -> dict[str, Any]:
    """Return the sampling parameters of one request as the engines of the harness choose them."""
    most = request.max_tokens
    if natural:
        assert plan.checkpoint is not None
        stops = list(plan.checkpoint.stop_token_ids)
        return {"temperature": 0, "max_tokens": most, "stop_token_ids": stops}
    most = min(most, length_of(request.key.problem_id))
    return {"temperature": 0, "max_tokens": most, "ignore_eos": True}


def run_bare(folder: Path) -> int:
    """Run the script on the job in a folder, and return the number of tokens."""
    script = [sys.executable, str(HERE / "bare.py"), "job.json", "texts.json"]
    return int(output_of(script, folder, **VARIABLES).split()[-1])


def evaluate_by_command(workload: Workload, folder: Path, results: str) -> tuple[Path, Run]:
    """Evaluate by the whole command, and return the run's folder and record."""
    spec = folder / "spec.json"
    spec.write_text(workload.spec().model_dump_json(), encoding="utf-8")
    command = [sys.executable, "-m", "harness", "eval", "--spec", spec.name, "--results", results]
    if workload.data:
        command += ["--data", str(workload.data.resolve())]
    output_of(command, folder, **VARIABLES)
    (found,) = Catalogue(folder / results).runs
    return found


def evaluated(workload: Workload, folder: Path, results: str) -> int:
    """Evaluate by the whole command, and return the number of tokens."""
    _, run = evaluate_by_command(workload, folder, results)
    return run.usage.completion_tokens


@click.command()
@click.option("--pairs", default=2, show_default=True)
@output_option
@workload_options()
def main(workload: Workload, pairs: int, output: Path | None) -> None:
    """Print the ratio of the command's wall time to the bare script's."""
    both = Pairs("command", "script")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "job.json").write_text(json.dumps(bare_job(workload)), encoding="utf-8")
        for number in range(pairs):
            results = f"results-{number}"
            both.take(
                lambda: evaluated(workload, folder, results),  # noqa: B023
                lambda: run_bare(folder),
            )
    publish(
        "command",
        {"command_over_script": both.ratio},
        {"pairs": both.details, **workload.says},
        output,
        packages=PACKAGES,
    )


if __name__ == "__main__":
    main()
