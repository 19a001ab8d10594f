"""`train`: a base model and data into a checkpoint that `eval --model` takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.hints import word
from harness.cli.options import NewFolder, json_option, key_texts
from harness.cli.output import echo

if TYPE_CHECKING:
    from trainers import Job
    from trainers.base import Setting

EXAMPLES = """\b
Examples:
  python -m harness train --trainer verl-grpo-v4 --model demo --data demo --output out --dry-run
  python -m harness train --trainer verl-grpo-v4 --model BASE --data gsm8k --output out/v4
  python -m harness train --trainer verl-grpo-v5 --model BASE --data DIR --output out/v5 \\
      --steps 200 --set actor_rollout_ref.actor.optim.lr=2e-6 --eval
"""


ORIGINS = {
    "stated": "Stated by the recipe's source:",
    "engine's default then": "Left by the source to its engine, whose default it was then:",
    "chosen": "Chosen by this project, or by the flags named:",
    "set": "Set by --set:",
    "placed": "Following from where it runs:",
}
"""Where a setting can come from, and what is said of it."""


@click.command("train", epilog=EXAMPLES)
@click.option("--trainer", required=True, metavar="NAME", help="Recipe, one of `list trainers`.")
@click.option("--model", required=True, help="Base model: a folder, a Hugging Face id, or 'demo'.")
@click.option(
    "--revision",
    help="Branch, tag or commit, where --model is a Hugging Face id.  [default: its main branch]",
)
@click.option(
    "--data",
    required=True,
    metavar="DATA",
    help="Training data: a folder made by `data build`, or what to build it from: 'demo', 'gsm8k', "
    "a file, a Hugging Face id.",
)
@click.option(
    "--output",
    required=True,
    type=NewFolder(),
    help="Folder to write the checkpoint to; a training that is there already is continued.",
)
@click.option(
    "--steps", type=click.IntRange(1), help="Training steps.  [default: as many as the recipe says]"
)
@click.option(
    "--seed", type=int, default=42, show_default=True, help="Seed of data order and rollouts."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    callback=key_texts,
    metavar="KEY=VALUE",
    help="Override one of verl's own settings; repeatable.",
)
@click.option("--gpus", type=click.IntRange(1), help="GPUs to use on each node.  [default: all]")
@click.option(
    "--nodes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Machines to train on; more than one needs --address.",
)
@click.option(
    "--address",
    metavar="ADDRESS",
    help="Running Ray cluster to train on; 'auto' finds it.  [default: start Ray on this machine]",
)
@click.option(
    "--logger",
    "loggers",
    multiple=True,
    metavar="NAME",
    help="Also send the curves to wandb, tensorboard, mlflow, …; repeatable.",
)
@click.option(
    "--save-every",
    type=click.IntRange(1),
    help="Steps between checkpoints.  [default: the recipe's]",
)
@click.option(
    "--keep",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="How many of the newest checkpoints to keep.",
)
@click.option(
    "--trust-remote-code",
    is_flag=True,
    help="Let the base model's own Python files run.  [default: they may not]",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    envvar="HARNESS_DATA",
    help="Read benchmark files from DIR/<benchmark>/test.jsonl instead of downloading them. "
    "Environment variable: HARNESS_DATA.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Train nothing: print every setting with its reason, and the command.",
)
@click.option(
    "--eval",
    "benchmarks",
    is_flag=False,
    flag_value="",
    metavar="[A,B,…]",
    help="Evaluate the trained checkpoint, on these benchmarks or else on the six standard ones.",
)
@json_option
def command(
    trainer: str,
    settings: dict[str, str],
    dry_run: bool,
    benchmarks: str | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """Train a checkpoint; killed at any moment, the same command goes on from the last save."""
    from harness.api import evaluate, train, train_job

    given = {"trainer": trainer, "settings": settings, **asked}
    if benchmarks is not None:
        _require_evaluable(benchmarks, asked)
    if dry_run:
        job = train_job(**given)
        echo(job.model_dump_json(indent=2) if as_json else "\n".join(dry_run_lines(job)))
        return
    checkpoint = train(**given, progress=True)
    echo(json.dumps({"checkpoint": str(checkpoint)}) if as_json else f"trained: {checkpoint}")
    if benchmarks is not None:
        from harness.cli.eval import print_result

        result = evaluate(
            checkpoint,
            benchmarks=benchmarks or None,
            name=checkpoint.absolute().name,
            data_dir=asked["data_dir"],
            trust_remote_code="all" if asked["trust_remote_code"] else "none",
            progress=True,
        )
        print_result(result, as_json=False)


def _require_evaluable(benchmarks: str, asked: Mapping[str, Any]) -> None:
    """Refuse, before hours of training, benchmarks that are unknown or whose files are missing."""
    from harness.evaluation.plan import require_files
    from harness.runs.spec_fields import make_spec

    named = {"benchmarks": benchmarks} if benchmarks else {}
    spec = make_spec({"model": str(asked["output"]), **named}, base=None)
    require_files(spec, data_dir=asked["data_dir"])


def dry_run_lines(job: Job) -> Iterator[str]:
    """Yield what would be run: notes, the recipe by origin, the environment, the command."""
    from tabulate import tabulate

    yield from job.notes
    yield ""
    for origin, heading in ORIGINS.items():
        lines = [line for line in job.recipe if line.origin == origin]
        if lines:
            yield heading
            rows = [(f"  {line.key}", _shown(line.value), _reason(line)) for line in lines]
            yield tabulate(rows, tablefmt="plain", maxcolwidths=[None, 60, 72])
            yield ""
    for name, value in job.environment.items():
        yield f"{name}={word(value)} \\"
    yield " ".join(map(word, job.command))


def _reason(line: Setting) -> str:
    return f"[{line.source}] {line.why}" if line.source else line.why


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
