"""`eval`: one evaluation of one checkpoint, stored, resumable, reproducible."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from harness.cli.options import data_option, json_option, key_values, results_option, sample_counts

if TYPE_CHECKING:
    from harness.evaluation.plan import Plan
    from harness.runs.catalogue import Catalogue
    from harness.runs.folder import RunFolder
    from harness.runs.record import Run
    from harness.runs.sample import Sample
    from harness.runs.spec import EvalSpec

EXAMPLES = """\b
Examples:
  python -m harness eval --model demo --benchmarks demo
  python -m harness eval --model Qwen/Qwen2.5-0.5B-Instruct --name base
  python -m harness eval --model out/step-100 --name v4 --temperature 0.6 --n gsm8k=1,aime24=32
  python -m harness eval --model ckpt --data DIR --limit 20
  python -m harness eval --spec results/runs/v4/…/run.json
"""

FLAGS = {
    # Where each flag's value goes in the spec; one that is not given leaves the spec file's value.
    "model": ("model",),
    "revision": ("revision",),
    "limit": ("limit",),
    "prompt": ("prompt", "style"),
    "shots": ("prompt", "shots"),
    "temperature": ("sampling", "temperature"),
    "top_p": ("sampling", "top_p"),
    "top_k": ("sampling", "top_k"),
    "max_tokens": ("sampling", "max_tokens"),
    "seed": ("sampling", "seed"),
    "engine": ("engine", "name"),
    "dtype": ("engine", "dtype"),
    "max_model_len": ("engine", "max_model_len"),
    "model_impl": ("engine", "model_impl"),
    "trust_remote_code": ("engine", "trust_remote_code"),
    "responses": ("engine", "responses"),
    "tensor_parallel": ("engine", "tensor_parallel"),
    "deterministic": ("engine", "deterministic"),
    "replicas": ("engine", "cluster", "replicas"),
    "ray_address": ("engine", "cluster", "address"),
    "node_wait": ("engine", "cluster", "wait"),
    "base_url": ("engine", "server", "base_url"),
    "key_variable": ("engine", "server", "key_variable"),
    "concurrency": ("engine", "server", "concurrency"),
    "requests_per_minute": ("engine", "server", "requests_per_minute"),
    "tokens_per_minute": ("engine", "server", "tokens_per_minute"),
    "request_timeout": ("engine", "server", "timeout"),
    "attempts": ("engine", "server", "attempts"),
    "prompt_price": ("engine", "server", "prompt_price"),
    "completion_price": ("engine", "server", "completion_price"),
}
PARSED = ("benchmarks", "counts", "template_args", "engine_args", "spec_file")
"""The other options that make the spec; see `build_spec`."""


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
    help="Variable for the chat template, such as enable_thinking=false; repeatable.",
)
@click.option(
    "--n",
    "counts",
    metavar="N",
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
    help="Argument handed to the engine as it is, such as gpu_memory_utilization=0.8; repeatable.",
)
@click.option(
    "--trust-remote-code",
    type=click.Choice(["none", "model", "tokenizer", "all"]),
    help="Which of the checkpoint's own Python files may run.  [default: none]",
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
    "--plan",
    "only_plan",
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
    if flags["only_plan"]:
        return _print_plan(spec, flags)
    name = flags["name"] or _default_name(spec)
    return _evaluate(spec, name, flags)


def spec_options() -> list[click.Parameter]:
    """Return those of eval's options that say what a run is: for whoever draws as eval would."""
    return [option for option in command.params if option.name in (*FLAGS, *PARSED)]


def given_options(ctx: click.Context, flags: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, on the command line or by the environment."""
    return {
        key: value
        for key, value in flags.items()
        if ctx.get_parameter_source(key) is not ParameterSource.DEFAULT
    }


def build_spec(given: dict[str, Any]) -> EvalSpec:
    """Merge a spec file and the flags that were given into one spec.

    Raises:
        click.UsageError: no model, or values that do not go together.
    """
    from pydantic import ValidationError

    from harness.common.schema import first_problem
    from harness.runs.spec import EvalSpec

    fields = _spec_fields(given.get("spec_file"))
    for flag, path in FLAGS.items():
        if flag in given:
            _set(fields, path, given[flag])
    if "benchmarks" in given:
        fields["benchmarks"] = [b.strip() for b in given["benchmarks"].split(",") if b.strip()]
    if "counts" in given:
        common, named = sample_counts(given["counts"])
        _set(fields, ("sampling", "n"), common)
        _set(fields, ("sampling", "n_by_benchmark"), named)
    if "template_args" in given:
        arguments = key_values(given["template_args"], "--template-arg")
        _set(fields, ("prompt", "template_args"), arguments)
    if "engine_args" in given:
        _set(fields, ("engine", "args"), key_values(given["engine_args"], "--engine-arg"))
    if given.get("engine") == "replay":
        fields.setdefault("model", given.get("responses") or "replay")
    if "model" not in fields:
        raise click.UsageError("which model? --model takes a folder, a Hugging Face id, or 'demo'")
    try:
        return EvalSpec.model_validate(fields)
    except ValidationError as error:
        raise click.UsageError(first_problem(error)) from error


def _spec_fields(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.UsageError(f"--spec {path} is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise click.UsageError(f"--spec {path} holds no JSON object")
    return dict(fields["spec"]) if "schema_version" in fields else fields


def _set(fields: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *outer, last = path
    for key in outer:
        fields = fields.setdefault(key, {})
    fields[last] = value


def _default_name(spec: EvalSpec) -> str:
    parts = Path(spec.model).parts
    # A trainer's checkpoints are all called the same; their parents are not.
    generic = {"actor", "huggingface", "checkpoint", "final", "model"}
    kept = [part for part in parts[-3:] if part not in generic and part not in ("/", ".", "..")]
    return kept[-1] if kept else spec.model


def _print_plan(spec: EvalSpec, flags: dict[str, Any]) -> int:
    from harness.common.environment import hardware
    from harness.evaluation.forecast import forecast
    from harness.evaluation.plan import prepare
    from harness.reporting.progress import open_progress
    from harness.reporting.text.forecast import forecast_fields, forecast_text
    from harness.runs.catalogue import Catalogue

    with open_progress() as progress:
        progress.stage("reading problems and model")
        plan = prepare(spec, data_dir=flags["data_dir"])
    stored = [run for _, run in Catalogue(flags["results"]).runs]
    found = forecast(plan, stored, hardware())
    if flags["as_json"]:
        click.echo(json.dumps(forecast_fields(found), indent=2))
    else:
        click.echo(forecast_text(found, max_tokens=spec.sampling.max_tokens))
    return 0


def _evaluate(spec: EvalSpec, name: str, flags: dict[str, Any]) -> int:
    from benchmarks import BENCHMARKS
    from benchmarks.source import require_file
    from harness.engines import ENGINES
    from harness.evaluation.expected_lengths import expected_lengths
    from harness.evaluation.pipeline import evaluate
    from harness.evaluation.plan import prepare
    from harness.grading import Grader
    from harness.reporting.progress import open_progress
    from harness.runs.catalogue import Catalogue

    for benchmark in spec.benchmarks:  # before an engine and a model take their seconds
        require_file(BENCHMARKS[benchmark], data_dir=flags["data_dir"])
    launched = ENGINES[spec.engine.name].launch(spec.engine)
    with open_progress() as progress, launched as opener:
        progress.stage("reading problems and model")
        plan = prepare(spec, data_dir=flags["data_dir"])
        with open_folder(plan, name, flags) as folder, Grader() as grader:
            try:
                lengths = expected_lengths(plan, Catalogue(flags["results"]))
                run = evaluate(
                    plan, folder, grader=grader, progress=progress, opener=opener, lengths=lengths
                )
            except KeyboardInterrupt:
                progress.say(_interrupted(plan, folder))
                return 130
    _print_run(run, folder.path, as_json=flags["as_json"])
    return 0


def open_folder(plan: Plan, name: str, flags: dict[str, Any]) -> RunFolder:
    """Open the folder to work in: the one to resume, the one already there, or a new one."""
    from harness.runs.catalogue import Catalogue, require_same
    from harness.runs.folder import RunFolder

    run = plan.new_run(name, flags["tags"])
    catalogue = Catalogue(flags["results"])
    if flags["resume"] is not None:
        require_same(flags["resume"], run)
        return RunFolder(flags["resume"])
    stored = None if flags["again"] else catalogue.same_as(run)
    adopted = None if flags["reuse"] is None else _reusable(plan, catalogue, flags["reuse"])
    folder = _create(catalogue.root, plan, run) if stored is None else RunFolder(stored)
    if adopted and folder.run.status == "incomplete":
        _adopt(folder, *adopted)
    if not set(run.tags) <= set(folder.run.tags):
        tags = tuple(dict.fromkeys([*folder.run.tags, *run.tags]))
        folder.update(folder.run.model_copy(update={"tags": tags}))
    return folder


def _create(root: Path, plan: Plan, run: Run) -> RunFolder:
    from harness.runs.folder import RunFolder

    return RunFolder.create(root, run, lineage=plan.lineage)


def _reusable(plan: Plan, catalogue: Catalogue, asked: str) -> tuple[str, Iterator[Sample]]:
    from harness.evaluation.resume import reusable
    from harness.runs.folder import read_samples

    path, other = catalogue.find_run(asked)
    return other.id, reusable(plan, other, read_samples(path))


def _adopt(folder: RunFolder, other: str, samples: Iterable[Sample]) -> None:
    reused = Counter(folder.run.reused)
    for sample in samples:
        if sample.key not in folder.samples:
            folder.append(sample)
            reused[other] += 1
    folder.update(folder.run.model_copy(update={"reused": dict(reused)}))


def _interrupted(plan: Plan, folder: RunFolder) -> str:
    return (
        f"interrupted: {len(folder.samples)} of {plan.samples} samples are stored in "
        f"{folder.path}; the same command goes on from there"
    )


def _print_run(run: Run, path: Path, *, as_json: bool) -> None:
    from harness.reporting.text.cost import cost_facts
    from harness.reporting.text.runs import run_fields, score_table
    from harness.runs.cost import cost_of

    if as_json:
        click.echo(json.dumps(run_fields(run), ensure_ascii=False, indent=2))
        return
    click.echo(score_table(run))
    for other, count in run.reused.items():
        click.echo(f"{count} samples adopted from {other}")
    cost = "\n".join(f"{name}: {text}" for name, text in cost_facts(cost_of(run)))
    with suppress(ValueError):  # a results folder outside the working directory stays absolute
        path = path.resolve().relative_to(Path.cwd())
    click.echo(
        f"\n{run.name}  {run.id}  prompts {run.identity.prompts_sum[:8]}  "
        f"grader {run.identity.grader}"
        f"\n{cost}"
        f"\nstored in {path}"
        f"\nnext: python -m harness show {run.id} --wrong"
    )
