"""`train`: a base model and data into a checkpoint that `eval --model` takes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import json_option, key_texts

if TYPE_CHECKING:
    from trainers import Job

EXAMPLES = """\b
Examples:
  python -m harness train --trainer verl-grpo-v4 --model demo --data demo --output out --dry-run
  python -m harness train --trainer verl-grpo-v4 --model BASE --data gsm8k --output out/v4
  python -m harness train --trainer verl-grpo-v5 --model BASE --data DIR --output out/v5 \\
      --steps 200 --set actor_rollout_ref.actor.optim.lr=2e-6 --eval
"""


ORIGINS = {
    "stated": "Stated by the recipe's source:",
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
    type=click.Path(path_type=Path),
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
    settings: tuple[str, ...],
    dry_run: bool,
    benchmarks: str | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """Train a checkpoint; killed at any moment, the same command goes on from the last save."""
    from trainers import TRAINERS, TrainSpec

    chosen = TRAINERS[trainer]()
    # The engine reads its settings itself, so they stay as they are written.
    given = key_texts(settings, "--set")
    job = chosen.plan(TrainSpec(trainer=trainer, settings=given, **asked))
    if dry_run:
        click.echo(job.model_dump_json(indent=2) if as_json else "\n".join(_told(job)))
        return
    from harness.reporting.training_progress import TrainingProgress

    for note in job.notes:
        click.echo(note, err=True)
    with TrainingProgress() as progress:
        checkpoint = chosen.train(job, progress)
    click.echo(json.dumps({"checkpoint": str(checkpoint)}) if as_json else f"trained: {checkpoint}")
    if benchmarks is not None:
        _evaluate(checkpoint, benchmarks, job)


def _evaluate(checkpoint: Path, benchmarks: str, job: Job) -> None:
    from harness.cli.eval import command as evaluation

    arguments = ["--model", str(checkpoint), "--name", checkpoint.absolute().name]
    if benchmarks:
        arguments += ["--benchmarks", benchmarks]
    if job.spec.data_dir is not None:
        arguments += ["--data", str(job.spec.data_dir)]
    if job.spec.trust_remote_code:
        arguments += ["--trust-remote-code", "all"]
    evaluation.main(arguments, standalone_mode=False)


def _told(job: Job) -> Iterator[str]:
    """Yield what would be run: notes, the recipe by origin, the environment, the command."""
    from tabulate import tabulate

    yield from job.notes
    yield ""
    for origin, heading in ORIGINS.items():
        lines = [line for line in job.recipe if line.origin == origin]
        if lines:
            yield heading
            rows = [(f"  {line.key}", _shown(line.value), line.why) for line in lines]
            yield tabulate(rows, tablefmt="plain", maxcolwidths=[None, 60, 72])
            yield ""
    for name, value in job.environment.items():
        yield f"{name}={shlex.quote(value)} \\"
    yield shlex.join(job.command)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
