"""`eval`: one evaluation of one checkpoint, stored, resumable, reproducible."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from benchmarks.bounded_json import read_json
from harness.cli.options import (
    RenamedOption,
    data_option,
    json_option,
    key_values,
    results_option,
    sample_counts,
)
from harness.cli.output import echo
from harness.runs.field_names import FIELDS

if TYPE_CHECKING:
    from harness.reporting.result import Result
    from harness.runs.spec import EvalSpec

EXAMPLES = """\b
Examples:
  python -m harness eval --model demo --benchmarks demo
  python -m harness eval --model Qwen/Qwen2.5-0.5B-Instruct --name base
  python -m harness eval --model out/step-100 --name v4 --temperature 0.6 --n gsm8k=1,aime24=32
  python -m harness eval --model ckpt --data DIR --limit 20
  python -m harness eval --spec results/runs/v4/…/run.json
"""


@click.command("eval", epilog=EXAMPLES)
@click.option("--model", help="Checkpoint to evaluate: a folder, a Hugging Face id, or 'demo'.")
@click.option(
    "--revision",
    help="Branch, tag or commit, where --model is a Hugging Face id.  [default: its main branch]",
)
@click.option(
    "--name", help="Name to store the run under, such as v4.  [default: taken from --model]"
)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="WORD",
    help="Label the run, to find and group it later; repeatable.",
)
@click.option(
    "--benchmarks",
    metavar="A,B,…",
    help="Benchmarks to evaluate.  [default: the six standard ones]",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    help="Ask only so many problems of each benchmark, from the first.  [default: all]",
)
@click.option(
    "--prompt", metavar="STYLE", help="Prompt style, one of `list prompts`.  [default: boxed]"
)
@click.option(
    "--shots",
    type=click.IntRange(0),
    help="Worked examples shown before each question.  [default: 0]",
)
@click.option(
    "--template-arg",
    "template_args",
    multiple=True,
    metavar="KEY=VALUE",
    callback=key_values,
    help="Variable for the chat template, such as enable_thinking=false; repeatable.",
)
@click.option(
    "--n",
    metavar="N",
    callback=sample_counts,
    help="Samples for each problem: 4, or gsm8k=1,aime24=32.  [default: 1]",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0),
    help="Sampling temperature; 0 always takes the likeliest token.  [default: 0]",
)
@click.option(
    "--top-p",
    type=click.FloatRange(0, 1, min_open=True),
    help="Sample among the likeliest tokens that have this probability together.  [default: 1]",
)
@click.option(
    "--top-k",
    type=click.IntRange(0),
    help="Sample among this many of the likeliest tokens; 0 means all.  [default: 0]",
)
@click.option(
    "--max-tokens", type=click.IntRange(1), help="Tokens that a response may have.  [default: 2048]"
)
@click.option(
    "--seed", type=int, help="Seed of the run; each sample's own is made from it.  [default: 0]"
)
@click.option(
    "--engine",
    metavar="ENGINE",
    help="What generates: vllm, ray, openai, hf or replay.  [default: vllm]",
)
@click.option(
    "--responses", type=click.Path(), help="JSON lines of saved responses, for --engine replay."
)
@click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
    help="Number format to compute in; auto leaves it to engine and checkpoint.  [default: auto]",
)
@click.option(
    "--max-model-len",
    type=click.IntRange(1),
    help="Tokens of prompt and response together.  [default: the model's]",
)
@click.option(
    "--model-impl",
    type=click.Choice(["auto", "vllm", "transformers"]),
    help="Model code that vLLM runs; auto takes its own where it has it.  [default: auto]",
)
@click.option(
    "--engine-arg",
    "engine_args",
    multiple=True,
    metavar="KEY=VALUE",
    callback=key_values,
    help="Argument handed to the engine as it is, such as gpu_memory_utilization=0.8; repeatable.",
)
@click.option(
    "--trust-remote-code",
    type=click.Choice(["none", "model", "tokenizer", "all"]),
    help="Which of the checkpoint's own Python files may run.  [default: none]",
)
@click.option(
    "--allow-pickle",
    is_flag=True,
    help="Let weights be *.bin or *.pt. They are Python pickles, which can run code when they are "
    "read: only from people you trust.  [default: they are refused]",
)
@click.option(
    "--tp",
    "tensor_parallel",
    type=click.IntRange(1),
    help="GPUs that share one copy of the model (tensor parallel).  [default: 1]",
)
@click.option(
    "--deterministic",
    is_flag=True,
    help="Make responses independent of their batch: by other kernels where every GPU has them, "
    "elsewhere by one request at a time.  [default: off]",
)
@click.option(
    "--replicas",
    type=click.IntRange(1),
    help="Copies of the model that --engine ray starts.  [default: 1]",
)
@click.option(
    "--ray-address",
    metavar="ADDRESS",
    help="Running Ray cluster to use; 'auto' finds it.  [default: start Ray on this machine]",
)
@click.option(
    "--node-wait",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Longest wait until the Ray cluster has room for every replica.  [default: 600]",
)
@click.option(
    "--base-url",
    metavar="URL",
    help="OpenAI-compatible server, up to /v1.  [default: $OPENAI_BASE_URL]",
)
@click.option(
    "--key-variable",
    metavar="NAME",
    help="Environment variable that holds the server's key.  [default: OPENAI_API_KEY]",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1),
    help="Requests under way at the server at once, at most.  [default: 64]",
)
@click.option(
    "--requests-per-minute",
    type=click.FloatRange(0, min_open=True),
    help="Requests sent to the server in a minute, at most.  [default: no limit]",
)
@click.option(
    "--tokens-per-minute",
    type=click.FloatRange(0, min_open=True),
    help="Tokens asked of the server in a minute, at most, prompts included.  [default: no limit]",
)
@click.option(
    "--request-timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Time that one attempt at a request to the server may take.  [default: 600]",
)
@click.option(
    "--attempts",
    type=click.IntRange(1),
    help="Tries of one request to the server before it counts as failed.  [default: 6]",
)
@click.option(
    "--prompt-price",
    type=click.FloatRange(0),
    help="Price of a million prompt tokens, to tell the cost.  [default: unknown]",
)
@click.option(
    "--completion-price",
    type=click.FloatRange(0),
    help="Price of a million response tokens, to tell the cost.  [default: unknown]",
)
@click.option(
    "--spec",
    "spec_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the settings from a spec or a stored run.json; other options override them.",
)
@click.option(
    "--resume",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Continue the run in this folder; refused, with what differs, if it is another run.",
)
@click.option(
    "--reuse",
    metavar="RUN",
    help="Take over the samples of RUN that this run would draw in just the same way.",
)
@click.option(
    "--estimate",
    "--plan",
    cls=RenamedOption,
    is_flag=True,
    help="Evaluate nothing: say what the run would cost, and how small a difference it could show.",
)
@click.option(
    "--again",
    is_flag=True,
    help="Begin a new run even if the same run is stored; else that one is continued or shown.",
)
@data_option
@results_option
@json_option
@click.pass_context
def command(ctx: click.Context, /, **flags: Any) -> int:
    """Evaluate a checkpoint on the benchmarks and store the run.

    The same command goes on with a run that was interrupted, and shows one that is complete.
    """
    spec = build_spec(given_options(ctx, flags))
    if flags["estimate"]:
        return _print_estimate(spec, flags)
    from harness.api import evaluate

    try:
        result = evaluate(
            spec.model,
            spec=spec,
            results=flags["results"],
            name=flags["name"],
            tags=flags["tags"],
            resume=flags["resume"] or not flags["again"],
            reuse=flags["reuse"],
            data_dir=flags["data_dir"],
            progress=True,
        )
    except KeyboardInterrupt as stopped:
        if stopped.args:  # the progress said what is stored
            return 130
        raise
    print_result(result, as_json=flags["as_json"])
    return 0


def spec_options() -> list[click.Parameter]:
    """Return those of eval's options that say what a run is: for whoever draws as eval would."""
    return [option for option in command.params if option.name in (*FIELDS, "spec_file")]


def given_options(ctx: click.Context, flags: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, on the command line or by the environment."""
    return {
        key: value
        for key, value in flags.items()
        if ctx.get_parameter_source(key) is not ParameterSource.DEFAULT
    }


def build_spec(given: dict[str, Any]) -> EvalSpec:
    """Merge a spec file and the options that were given into one spec.

    Raises:
        click.UsageError: no model is named.
        WrongValueError: a value is refused, or values do not go together.
    """
    from harness.runs.spec_fields import make_spec

    fields = {name: value for name, value in given.items() if name in FIELDS}
    if "n" in fields:
        fields["n"], fields["n_by_benchmark"] = fields["n"]
    base = _spec_fields(given.get("spec_file"))
    if given.get("engine") == "replay" and "model" not in base:
        fields.setdefault("model", given.get("responses") or "replay")
    if "model" not in {**base, **fields}:
        raise click.UsageError("which model? --model takes a folder, a Hugging Face id, or 'demo'")
    return make_spec(fields, base=base)


def _spec_fields(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        fields = read_json(path)
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--spec {path} is not JSON that can be read: {error}") from error
    if not isinstance(fields, dict):
        raise click.UsageError(f"--spec {path} holds no JSON object")
    found = fields.get("spec") if "schema_version" in fields else fields
    if not isinstance(found, dict):
        raise click.UsageError(f"--spec {path} is a record without the spec of its run")
    return found


def _print_estimate(spec: EvalSpec, flags: dict[str, Any]) -> int:
    from harness.common.environment import hardware
    from harness.evaluation.forecast import forecast, stored_pairs
    from harness.evaluation.plan import prepare
    from harness.reporting.progress import open_progress
    from harness.reporting.text.forecast import forecast_fields, forecast_text
    from harness.runs.catalogue import Catalogue

    with open_progress() as progress:
        progress.stage("reading problems and model")
        plan = prepare(spec, data_dir=flags["data_dir"])
    stored = Catalogue(flags["results"]).runs
    pairs = stored_pairs(plan, stored)
    found = forecast(plan, [run for _, run in stored], hardware(), pairs)
    if flags["as_json"]:
        echo(json.dumps(forecast_fields(found), indent=2))
    else:
        echo(forecast_text(found, max_tokens=spec.sampling.max_tokens))
    return 0


def print_result(result: Result, *, as_json: bool) -> None:
    """Print what an evaluation came to."""
    from harness.reporting.text.runs import run_fields, run_text

    run, path = result.stored
    if as_json:
        echo(json.dumps(run_fields(run), ensure_ascii=False, indent=2))
    else:
        echo(run_text(run, path))
