"""`train`: a base model and data into a checkpoint that `eval --model` takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from benchmarks.errors import UserError
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


_COUNT = re.compile(r"[0-9]{1,20}")


def seed_list(
    context: click.Context, option: click.Parameter, text: str | None
) -> tuple[int, ...] | None:
    """Parse `--seeds`."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(_COUNT.fullmatch(part) for part in parts):
        raise click.BadParameter(
            f"'{text[:100]}': expected seeds such as 1,2,3", param_hint="--seeds"
        )
    return tuple(map(int, parts))


def _count_or_all(
    context: click.Context, option: click.Parameter, text: str | None
) -> int | str | None:
    """Parse a count or ``all``."""
    if text is None or text == "all":
        return text
    if not (_COUNT.fullmatch(text) and int(text)):
        raise click.BadParameter(f"'{text[:100]}': expected a count of 1 or more, or all")
    return int(text)


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
    "--seeds",
    callback=seed_list,
    metavar="A,B,…",
    help="Train once with each of these seeds, into OUTPUT/seed-A, OUTPUT/seed-B, …; in place of "
    "--seed.",
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
    help="Steps between checkpoints, and between validations.  [default: the recipe's]",
)
@click.option(
    "--validate-every",
    type=click.IntRange(1),
    help="Steps between validations.  [default: --save-every, or else the recipe's]",
)
@click.option(
    "--keep",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="How many of the newest saves to keep: the checkpoint, and the state to go on from. The "
    "checkpoint with the best validation stays, too.",
)
@click.option(
    "--keep-weights",
    callback=_count_or_all,
    metavar="N|all",
    help="How many of the newest checkpoints to keep.  [default: --keep]",
)
@click.option(
    "--keep-state",
    type=click.IntRange(1),
    help="How many of the newest states to go on from to keep; each is several times as large as "
    "a checkpoint.  [default: --keep]",
)
@click.option(
    "--save-on-stop",
    is_flag=True,
    help="Let a first Ctrl-C or SIGTERM finish the step and save it.  [default: stop at once]",
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
    seeds: tuple[int, ...] | None,
    dry_run: bool,
    benchmarks: str | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """Train a checkpoint; killed at any moment, the same command goes on from the last save."""
    from harness.api import seed_jobs, train, train_job, train_seeds

    given = {"trainer": trainer, "settings": settings, **asked}
    if seeds is not None:
        given.pop("seed")
        source = click.get_current_context().get_parameter_source("seed")
        if source is ParameterSource.COMMANDLINE:
            raise click.UsageError("--seeds takes the place of --seed; leave one of the two out")
    if benchmarks is not None:
        _require_evaluable(benchmarks, asked)
    if dry_run:
        jobs = seed_jobs(**given, seeds=seeds) if seeds else {asked["seed"]: train_job(**given)}
        echo(_dry_run_json(jobs, many=bool(seeds)) if as_json else "\n".join(_planned(jobs)))
        return
    if seeds:
        trained = train_seeds(**given, seeds=seeds, progress=True)
    else:
        trained = {asked["seed"]: train(**given, progress=True)}
    done = {seed: each for seed, each in trained.items() if not isinstance(each, UserError)}
    for line in [_done_json(done, many=bool(seeds))] if as_json else _done(done):
        echo(line)
    if benchmarks is not None:
        for checkpoint in done.values():
            _evaluate(checkpoint, benchmarks, asked, of_many=bool(seeds))
    _refuse_failed(trained, asked["output"])


def _done(done: Mapping[int, Path]) -> Iterator[str]:
    return (f"trained: {checkpoint}" for checkpoint in done.values())


def _done_json(done: Mapping[int, Path], *, many: bool) -> str:
    if many:
        return json.dumps({"checkpoints": {seed: str(each) for seed, each in done.items()}})
    (checkpoint,) = done.values()
    return json.dumps({"checkpoint": str(checkpoint)})


def _refuse_failed(trained: Mapping[int, Path | UserError], output: Path) -> None:
    """Fail once all seeds were tried, if one of them failed."""
    failed = {seed: each for seed, each in trained.items() if isinstance(each, UserError)}
    if failed:
        seed, error = next(iter(failed.items()))
        kept = "; the others are trained" if len(failed) < len(trained) else ""
        raise UserError(
            f"{len(failed)} of {len(trained)} seeds in {output} failed "
            f"({', '.join(map(str, failed))}){kept}, and the same command goes on with the failed "
            f"ones; seed {seed}: {error}"
        )


def _evaluate(
    checkpoint: Path, benchmarks: str, asked: Mapping[str, Any], *, of_many: bool
) -> None:
    """Evaluate a checkpoint, under the name of its folder, and print the result."""
    from harness.api import evaluate
    from harness.cli.eval import print_result

    place = checkpoint.absolute()
    # `diff` knows the seeds of a recipe by such names.
    name = f"{place.parent.name}-{place.name.replace('-', '')}" if of_many else place.name
    result = evaluate(
        checkpoint,
        benchmarks=benchmarks or None,
        name=name,
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


def _dry_run_json(jobs: Mapping[int, Job], *, many: bool) -> str:
    plans = [job.model_dump(mode="json") for job in jobs.values()]
    return json.dumps(plans if many else plans[0], indent=2)


def _planned(jobs: Mapping[int, Job]) -> Iterator[str]:
    """Yield the plan of the first seed, and for each other one what differs from it."""
    first, *others = jobs.items()
    if others:
        yield f"one training for each seed: {', '.join(map(str, jobs))}"
        yield ""
        yield f"seed {first[0]}, into {first[1].spec.output}:"
    yield from dry_run_lines(first[1])
    same = {line.key: line.value for line in first[1].recipe}
    for seed, job in others:
        yield ""
        yield f"seed {seed}, into {job.spec.output}, with everything as above but:"
        for line in job.recipe:
            if line.key not in same or same[line.key] != line.value:
                yield f"  {line.key}  {_shown(line.value)}"


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
