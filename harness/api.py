"""The public functions, for scripts and notebooks; the command line calls them too.

Each prints nothing unless it is given a ``progress``, and raises `UserError` for whatever its
caller can mend; where several items are asked for, one alone will do. The rooms below are imported
when a function is called, so that importing this costs nothing. The folder of results is
``results`` in the working directory unless the environment variable HARNESS_RESULTS or the argument
``results`` names another one; HARNESS_DATA and ``data_dir`` name a folder of benchmark files that
is read instead of downloading them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from benchmarks import BENCHMARKS, UserError, WrongValueError
from benchmarks.hints import hint
from harness.common.arguments import checked
from harness.common.folders import data_folder, results_folder

if TYPE_CHECKING:
    from harness.common.progress import Progress
    from harness.engines import Engine
    from harness.grading import Verdict
    from harness.reporting.comparison import Comparison
    from harness.reporting.ranking import Ranking
    from harness.reporting.recipes import RecipeComparison
    from harness.reporting.result import Result
    from harness.runs.record import Run
    from harness.runs.results import Result as StoredResult
    from harness.runs.spec import EvalSpec
    from trainers import Job


@checked
def evaluate(
    model: str | Path,
    *,
    benchmarks: str | Sequence[str] | None = None,
    results: str | Path | None = None,
    name: str | None = None,
    tags: Sequence[str] = (),
    spec: EvalSpec | None = None,
    like: str | Path | Result | Run | None = None,
    engine: str | Engine | None = None,
    resume: bool | str | Path = True,
    reuse: str | Path | Result | None = None,
    data_dir: str | Path | None = None,
    progress: bool | Progress | None = None,
    **fields: Any,
) -> Result:
    """Evaluate a checkpoint, store the run, and return its result.

    A run of the same name that was asked just the same is not begun again: one that was
    interrupted goes on where it ended, and one that is complete is returned at once.

    Args:
        model: a folder, a Hugging Face id, or ``demo``.
        benchmarks: names of benchmarks. Without it those of ``spec`` or ``like``, or else the
            six standard ones.
        results: the folder of results; without it HARNESS_RESULTS names it, or it is ``results``.
        name: the name to store the run under, such as ``v4``; without it the model's.
        tags: words to find and to group the run by.
        spec: take the settings from this spec.
        like: take the settings of this run (its result, its record, or its name), for another
            model. The revision of the other model and the trust in its code are not taken.
        engine: the name of an engine (``vllm``, ``ray``, ``openai``, ``hf``, ``replay``), or an
            engine that is open already, which stays open.
        resume: False begins a new run even if the same one is stored; a path goes on with the
            run in that folder, and refuses it if it is another one.
        reuse: take over those samples of this run that would be drawn in just the same way.
        data_dir: read benchmark files from ``data_dir/<benchmark>/test.jsonl``; without it from
            the folder that HARNESS_DATA names, or else they are downloaded.
        progress: True shows the progress on stderr as the command line does; an object with
            the methods of `harness.common.progress.Progress` is told of it.
        fields: any other setting of the evaluation, over those of ``spec`` or ``like``, by the
            name that its option of ``eval`` has: ``n`` (samples a problem, or a mapping from
            benchmark to samples), ``temperature``, ``top_p``, ``top_k``, ``max_tokens``, ``seed``,
            ``limit`` (the first problems of each benchmark), ``prompt`` (a style), ``shots``,
            ``dtype``, ``max_model_len``, ``tensor_parallel``, ``deterministic``, ``engine_args``,
            ``template_args``, ``revision``, ``trust_remote_code``, and all the others that are
            listed in ``harness.runs.field_names.FIELDS``.

    Raises:
        UserError: something is missing, unknown, or does not go together.
        KeyboardInterrupt: it was stopped; the message says how much is stored.

    Example:
        run = evaluate("out/v1", benchmarks=["gsm8k", "math500"], n=4, temperature=0.7)
        print(evaluate("out/v4", like=run))
    """
    from harness.engines import ENGINES
    from harness.evaluation import pipeline
    from harness.evaluation.expected_lengths import expected_lengths
    from harness.evaluation.given_engine import require_suited
    from harness.evaluation.plan import prepare, require_files
    from harness.evaluation.resume import open_run
    from harness.grading import Grader
    from harness.reporting.result import Result
    from harness.runs.catalogue import Catalogue
    from harness.runs.results import of_run

    opened = None if isinstance(engine, str) else engine
    asked = {"model": model, "benchmarks": benchmarks, "engine": None if opened else engine}
    asked = {key: value for key, value in asked.items() if value is not None}
    wanted = _wanted_spec({**asked, **fields}, spec, like, opened, results)
    catalogue, data = Catalogue(results_folder(results)), data_folder(data_dir)
    require_files(wanted, data_dir=data)
    with ExitStack() as stack:
        shown = stack.enter_context(_shown(progress))
        opener = None
        if opened is None:  # it starts while problems are read and prompts rendered
            opener = stack.enter_context(ENGINES[wanted.engine.name].launch(wanted.engine))
        shown.stage("reading problems and model")
        plan = prepare(wanted, data_dir=data, engine=None if opened is None else type(opened))
        if opened is not None:
            require_suited(opened, plan)
        folder = open_run(
            plan,
            catalogue,
            name=name or default_name(wanted.model),
            tags=tags,
            resume=None if isinstance(resume, bool) else Path(resume),
            reuse=_reference(reuse),
            again=resume is False,
        )
        stack.enter_context(folder)
        grader = stack.enter_context(Grader())
        try:
            run = pipeline.evaluate(
                plan,
                folder,
                grader=grader,
                progress=shown,
                engine=opened,
                opener=opener,
                lengths=expected_lengths(plan, catalogue),
            )
        except KeyboardInterrupt:
            stopped = (
                f"interrupted: {len(folder.samples)} of {plan.samples} samples are stored in "
                f"{folder.path}; the same command goes on from there"
            )
            shown.say(stopped)
            raise KeyboardInterrupt(stopped) from None
    result = Result.of(of_run(folder.path, run))
    result.require_counted()  # it may have been stored long ago
    return result


@checked
def compare(
    a: str | Path | Result,
    b: str | Path | Result,
    *,
    results: str | Path | None = None,
    allow_mismatch: bool = False,
    margin: float | None = None,
) -> Comparison:
    """Say whether B is better than A, worse, or whether there is no evidence of either.

    Args:
        a: a result, or the name, tag, id or folder of a stored run, or the name of a
            published result.
        b: the other one; differences are B - A.
        results: the folder of results; without it HARNESS_RESULTS names it, or it is ``results``.
        allow_mismatch: compare what both share even if they were not measured alike; the
            comparison says so.
        margin: a difference that does not matter, as a fraction: 0.01 is one percentage point.
            With it the comparison also says whether B is the same as A within it, or not worse
            by it.

    Raises:
        UserError: one of them is not there or not complete; they share no problem; the margin is
            not between 0 and 1; or, without ``allow_mismatch``, something but the model differs
            that decides a score.

    Example:
        found = compare("v1", "v4")
        print(found)
        found.rows[0].verdict  # "better", "worse", "no evidence", or "withheld"
        compare("v4", "v4-int8", margin=0.01).gate("not-worse").holds
    """
    from harness.analysis.compare import compare as compared
    from harness.reporting.comparison import Comparison

    return Comparison.of(
        compared(*_found([a, b], results), anyway=allow_mismatch, margin=_fraction(margin))
    )


@checked
def rank(
    runs: Sequence[str | Path | Result],
    base: str | Path | Result | None = None,
    *,
    results: str | Path | None = None,
    allow_mismatch: bool = False,
) -> Ranking:
    """Rank many runs by their average, or say of each whether it is better than a base.

    All are compared at once, at a level of 5 % together, by the average over their benchmarks. The
    highest of many averages is partly luck: ``winner.corrected`` is what it is where half of the
    problems choose the run and the other half score it.

    Args:
        runs: two results or more (with a base one or more), or the names, tags, ids or folders of
            stored runs.
        base: compare each of them with this one, and do not rank them.
        results: the folder of results; without it HARNESS_RESULTS names it, or it is ``results``.
        allow_mismatch: compare what all share even if not all were measured alike; the ranking
            says so.

    Raises:
        UserError: one of them is not there, is not complete, is named twice, or has only published
            counts; they share no problem; or, without ``allow_mismatch``, something but the model
            differs that decides a score.

    Example:
        found = rank(["step-100", "step-200", "step-300"])
        print(found)
        found.winner.certain  # whether it can be said which is the best
    """
    from harness.analysis.many import rank as ranked
    from harness.reporting.ranking import Ranking

    given = [runs] if isinstance(runs, str | Path) else runs
    members = _found([*given, *([] if base is None else [base])], results)
    against = None if base is None else members.pop()
    return Ranking.of(ranked(members, against, anyway=allow_mismatch))


@checked
def compare_recipes(
    a: str | Path | Result | Sequence[str | Path | Result],
    b: str | Path | Result | Sequence[str | Path | Result],
    *,
    results: str | Path | None = None,
    allow_mismatch: bool = False,
) -> RecipeComparison:
    """Say whether recipe B is better than recipe A, by runs of several trainings of each.

    `compare` is about two checkpoints; another seed would have given others. Here the trainings
    count as a sample of what the recipe gives, as problems do of what could be asked. Equal seeds
    on both sides are no pairs.

    Args:
        a: results, or names as `compare` takes them, one for each training of the one recipe; a
            text can have several names with commas between them.
        b: the same of the other recipe; differences are B - A.
        results: the folder of results; without it HARNESS_RESULTS names it, or it is ``results``.
        allow_mismatch: compare what all share even if they were not measured alike; the
            comparison says so.

    Raises:
        UserError: a recipe has fewer than two trainings; a run is not there or not complete, or is
            published as counts; two runs are of one training; the trainings of a group had
            different recipes, as far as their lineage says; or, without ``allow_mismatch``,
            something but the recipe differs that decides a score.

    Example:
        found = compare_recipes(["v1-seed1", "v1-seed2"], ["v4-seed1", "v4-seed2"])
        print(found)
        found.rows[0].verdict  # "better", "worse" or "no evidence"
    """
    from harness.analysis.recipes import compare_recipes as compared
    from harness.reporting.recipes import RecipeComparison

    groups = _groups([a, b], results)
    return RecipeComparison.of(compared(*groups, anyway=allow_mismatch))


@checked
def load_run(name: str | Path | Result, *, results: str | Path | None = None) -> Result:
    """Return a stored run or a published result, whether the run is complete or not.

    Args:
        name: the run's name, its tag, its id (or how that begins), or its folder; or the name
            of a published result. Of several runs with a name the newest complete one. A result
            is returned as it is.
        results: the folder of results; without it HARNESS_RESULTS names it, or it is ``results``.

    Raises:
        UserError: nothing is called that, or what begins several ids was given.

    Example:
        load_run("v4").average
    """
    from harness.reporting.result import Result
    from harness.runs.catalogue import Catalogue

    if not isinstance(name, str | Path):
        return name
    return Result.of(Catalogue(results_folder(results)).find(str(name), complete=False))


@checked
def list_runs(
    results: str | Path | None = None, *, tag: str | None = None, complete: bool = True
) -> list[Result]:
    """Return the stored runs, oldest first.

    Args:
        results: the folder of results; without it HARNESS_RESULTS names it, or it is ``results``.
        tag: only runs with this tag.
        complete: only runs that are complete.

    Raises:
        UserError: the record of a run cannot be read.

    Example:
        for run in list_runs(tag="sweep"):
            print(run.name, run.average)
    """
    from harness.reporting.result import Result
    from harness.runs.catalogue import Catalogue
    from harness.runs.results import of_run

    return [
        Result.of(of_run(path, run))
        for path, run in Catalogue(results_folder(results)).runs
        if (tag is None or tag in run.tags) and (run.status == "complete" or not complete)
    ]


@checked
def grade(
    response: str, gold: str, *, truncated: bool = False, benchmark: str | None = None
) -> Verdict:
    """Grade one response against the published answer.

    Args:
        response: what the model said, with all that it reasoned.
        gold: the answer as published.
        truncated: whether the token limit cut the response off.
        benchmark: the benchmark whose conventions count, such as a tolerance; without it
            those of mathematics alone.

    Raises:
        UserError: there is no such benchmark.

    Example:
        grade("so it is 1/2", gold="0.5").outcome  # Outcome.CORRECT
    """
    from harness.grading import shared_grader

    grader = shared_grader()
    if benchmark is None:
        return grader.grade(response, gold, truncated=truncated)
    conventions = BENCHMARKS[benchmark].conventions
    return grader.grade(response, gold, truncated=truncated, conventions=conventions)


@checked
def regrade(
    run: str | Path | Result,
    *,
    reward: str | None = None,
    results: str | Path | None = None,
    data_dir: str | Path | None = None,
) -> Result:
    """Grade a stored run's samples again, store them as a new run, and return that.

    The old run stays as it is.

    Args:
        run: the run, or its name, tag, id or folder.
        reward: grade by this training reward, ``gsm8k-strict`` or ``hendrycks-boxed``, instead
            of by today's grader.
        results: the folder of results; without it HARNESS_RESULTS names it, or it is ``results``.
        data_dir: read benchmark files from ``data_dir/<benchmark>/test.jsonl``; without it from
            the folder that HARNESS_DATA names, or else they are downloaded.

    Raises:
        UserError: the run is not there, is incomplete, or has lost its samples; or the problems
            at hand are not those that it was asked.

    Example:
        new = regrade("v4")
    """
    from harness.evaluation.regrade import regrade_by
    from harness.reporting.result import Result
    from harness.runs.catalogue import Catalogue
    from harness.runs.results import of_run

    catalogue = Catalogue(results_folder(results))
    path, old = catalogue.find_run(_reference(run))
    done = regrade_by(reward, path, old, root=catalogue.root, data_dir=data_folder(data_dir))
    return Result.of(of_run(done.path, done.new))


@checked
def import_generations(
    files: str | Path | Sequence[str | Path],
    *,
    name: str | None = None,
    results: str | Path | None = None,
    benchmarks: Sequence[str] = (),
    format: str | None = None,  # noqa: A002 - what it is called everywhere
    data_dir: str | Path | None = None,
) -> Result:
    """Grade generations that were saved elsewhere, store them as a run, and return it.

    Args:
        files: one file or several, of this harness, of Qwen2.5-Math, of lm-evaluation-harness,
            of lighteval, or of rows of ``{"problem_id", "response"}``.
        name: the name to store the run under; without it the first file's.
        results: the folder of results; without it HARNESS_RESULTS names it, or it is ``results``.
        benchmarks: look for the problems in these benchmarks only; without it in all.
        format: ``harness``, ``qwen``, ``lm-eval`` or ``lighteval``; without it the files' rows
            tell.
        data_dir: read benchmark files from ``data_dir/<benchmark>/test.jsonl``; without it from
            the folder that HARNESS_DATA names, or else they are downloaded.

    Raises:
        UserError: a file cannot be read, or none of its responses is to a known problem.

    Example:
        theirs = import_generations("samples_gsm8k.jsonl", name="theirs", benchmarks=["gsm8k"])
    """
    from harness.common.text import counted
    from harness.importers.importing import import_files
    from harness.reporting.result import Result
    from harness.runs.catalogue import Catalogue
    from harness.runs.results import of_run

    given = [files] if isinstance(files, str | Path) else files
    imported = import_files(
        list(map(Path, given)),
        name=name,
        catalogue=Catalogue(results_folder(results)),
        benchmarks=benchmarks,
        format_=format,
        data_dir=data_folder(data_dir),
    )
    if imported.stored is None:
        raise UserError(
            f"of {counted(imported.scored.responses, 'response')} none is to a problem of a "
            "benchmark that is known here, so there is no run to store; their files' own golds "
            f"are graded by: {hint('score FILES')}"
        )
    return Result.of(of_run(*imported.stored))


@checked
def train(
    trainer: str,
    model: str | Path,
    data: str | Path,
    output: str | Path,
    *,
    steps: int | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 42,
    gpus: int | None = None,
    nodes: int = 1,
    address: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    loggers: Sequence[str] = (),
    save_every: int | None = None,
    validate_every: int | None = None,
    keep: int = 2,
    keep_weights: int | str | None = None,
    keep_state: int | None = None,
    save_on_stop: bool = False,
    data_dir: str | Path | None = None,
    progress: bool | Progress | None = None,
) -> Path:
    """Train a checkpoint by a recipe and return its folder, which `evaluate` takes.

    A training that is in ``output`` already goes on from its last save.

    Args:
        trainer: the recipe, one of ``list trainers``.
        model: the base model: a folder, a Hugging Face id, or ``demo``.
        data: a folder made by ``data build``, or what to build it from: ``demo``, ``gsm8k``, a
            file, a Hugging Face id.
        output: the folder of the checkpoint.
        steps: training steps; without it as many as the recipe says.
        settings: the trainer's own settings that are to differ from the recipe.
        seed: the seed of data order and rollouts.
        gpus: GPUs to use on each node; without it all.
        nodes: machines to train on; more than one needs ``address``.
        address: a running Ray cluster; ``auto`` finds it.
        revision: branch, tag or commit, where the model is a Hugging Face id.
        trust_remote_code: whether the base model's own Python files may run.
        loggers: where the curves go beside ``metrics.jsonl``: ``wandb``, ``tensorboard``, ….
        save_every: steps between checkpoints; without it the recipe's.
        validate_every: steps between validations; without it those between checkpoints, if they
            are given, or else the recipe's.
        keep: how many of the newest checkpoints stay, each with the state to go on from; the
            checkpoint that did best in its validation stays, too.
        keep_weights: how many of the newest checkpoints stay, or ``all``; without it ``keep``.
        keep_state: how many of the newest states to go on from stay; without it ``keep``.
        save_on_stop: whether a first Ctrl-C lets the step be finished, and saves it.
        data_dir: read benchmark files from ``data_dir/<benchmark>/test.jsonl``; without it from
            the folder that HARNESS_DATA names, or else they are downloaded.
        progress: True shows the progress on stderr as the command line does; an object with the
            methods of `harness.common.progress.Progress` is told of it.

    Raises:
        UserError: it cannot be begun or not finished; what was saved is still there.
        KeyboardInterrupt: it was stopped; the same call goes on.

    Example:
        checkpoint = train("verl-grpo-v4", "out/base", "gsm8k", "out/v4", steps=200)
        run = evaluate(checkpoint, name="v4")
    """
    from harness.reporting.training_progress import TrainingProgress
    from trainers import TRAINERS

    job = train_job(
        trainer,
        model,
        data,
        output,
        steps=steps,
        settings=settings,
        seed=seed,
        gpus=gpus,
        nodes=nodes,
        address=address,
        revision=revision,
        trust_remote_code=trust_remote_code,
        loggers=tuple(loggers),
        save_every=save_every,
        validate_every=validate_every,
        keep=keep,
        keep_weights=keep_weights,
        keep_state=keep_state,
        save_on_stop=save_on_stop,
        data_dir=data_dir,
    )
    with _shown(progress) as shown:
        for note in job.notes:
            shown.say(note)
        return TRAINERS[trainer]().train(job, TrainingProgress(shown))


PREPARED = "prepared"
"""The folder, beside those of the seeds, with what their trainings have in common."""


@checked
def train_seeds(
    trainer: str,
    model: str | Path,
    data: str | Path,
    output: str | Path,
    *,
    seeds: Iterable[int],
    progress: bool | Progress | None = None,
    **options: Any,
) -> dict[int, Path | UserError]:
    """Train one recipe with several seeds, one after the other, each into ``output/seed-N``.

    All begin from the same base model with the same data, which are prepared once, in
    ``output/prepared``. A seed that fails leaves the others; the same call goes on where they
    are, and a seed that is trained is not trained again.

    Args:
        trainer: the recipe, one of ``list trainers``.
        model: the base model: a folder, a Hugging Face id, or ``demo``.
        data: a folder made by ``data build``, or what to build it from.
        output: the folder of the seeds' folders.
        seeds: the seeds, in the order in which they are trained.
        progress: as for `train`.
        options: what else `train` takes, but ``seed``.

    Returns:
        For each seed the folder of its checkpoint, or what its training failed with.

    Raises:
        UserError: the trainings cannot be begun.
        KeyboardInterrupt: they were stopped; the same call goes on.

    Example:
        trained = train_seeds("verl-grpo-v4", "out/base", "gsm8k", "out/v4", seeds=[1, 2, 3])
        for seed, checkpoint in trained.items():
            if isinstance(checkpoint, Path):  # else it is what the training failed with
                evaluate(checkpoint, name=f"v4-seed{seed}")
    """
    from harness.reporting.training_progress import TrainingProgress
    from trainers import TRAINERS
    from trainers.supervise import hold

    jobs = seed_jobs(trainer, model, data, output, seeds=seeds, **options)
    results: dict[int, Path | UserError] = {}
    said: set[str] = set()
    with _shown(progress) as shown, hold(Path(output).absolute() / PREPARED):
        for seed, job in jobs.items():
            shown.say(f"seed {seed}, {len(results) + 1} of {len(jobs)}: {job.spec.output}")
            for note in job.notes:
                if note not in said:
                    shown.say(note)
            said.update(job.notes)
            try:
                results[seed] = TRAINERS[trainer]().train(job, TrainingProgress(shown))
            except UserError as error:
                results[seed] = error
                shown.say(f"seed {seed} failed: {error}")
    return results


def seed_jobs(
    trainer: str,
    model: str | Path,
    data: str | Path,
    output: str | Path,
    *,
    seeds: Iterable[int],
    **options: Any,
) -> dict[int, Job]:
    """Return all that `train_seeds` would run with these arguments, and run nothing.

    Raises:
        UserError: a value is not one that a training takes, or they could not be begun.
    """
    folder, wanted = Path(output), list(seeds)
    if not wanted or len(set(wanted)) < len(wanted):
        raise WrongValueError(f"seeds {wanted}: give one or more, and each of them once")
    if (folder / "training").is_dir():
        raise WrongValueError(
            f"{folder} has a single training; name another folder for those of several seeds"
        )
    return {
        seed: train_job(
            trainer,
            model,
            data,
            folder / f"seed-{seed}",
            seed=seed,
            prepared=folder / PREPARED,
            **options,
        )
        for seed in wanted
    }


@checked
def write_report(
    runs: str | Path | Result | Sequence[str | Path | Result],
    path: str | Path,
    *,
    results: str | Path | None = None,
    allow_mismatch: bool = False,
    margin: float | None = None,
    png: str | Path | None = None,
    data_dir: str | Path | None = None,
    progress: bool | Progress | None = None,
) -> Path:
    """Write one HTML file about results: scores, differences, plots, and every sample.

    Args:
        runs: results, or names of them as `compare` takes; each is compared with the first. A
            text of names with commas between them has the trainings of one recipe: then each
            further recipe is compared with the first, as `compare_recipes` does.
        path: the HTML file, which is replaced once the new one is whole.
        results: the folder of results; without it HARNESS_RESULTS names it, or it is ``results``.
        allow_mismatch: compare what all share even if they were not measured alike; the page
            says so.
        margin: a difference that does not matter, as a fraction: see `compare`.
        png: a folder that also gets every plot as a PNG file.
        data_dir: read questions from ``data_dir/<benchmark>/test.jsonl``.
        progress: True shows the progress on stderr as the command line does; an object with the
            methods of `harness.common.progress.Progress` is told of it.

    Raises:
        UserError: a result is not there or not complete, or the file cannot be written.

    Example:
        write_report(["v1", "v4"], "v1-v4.html")
    """
    from harness.reporting.html import write_report as write
    from harness.runs.published import published_files

    given = [runs] if isinstance(runs, str | Path) or not isinstance(runs, Sequence) else runs
    if not given:
        raise WrongValueError("a report is about one result or more, and none was given")
    groups = _groups(given, results)
    with _shown(progress) as shown:
        written = write(
            [run for group in groups for run in group],
            Path(path),
            recipes=groups if any(len(group) > 1 for group in groups) else (),
            anyway=allow_mismatch,
            margin=_fraction(margin),
            data_dir=data_folder(data_dir),
            png=None if png is None else Path(png),
            progress=shown,
            published=published_files(results_folder(results)),
        )
    return written.path


# --- what is asked --------------------------------------------------------------------------


def _fraction(margin: float | None) -> float | None:
    if margin is None or (isinstance(margin, int | float) and not isinstance(margin, bool)):
        return margin
    raise WrongValueError(
        f"margin: expected a fraction such as 0.01, one percentage point, and found {margin!r}"
    )


def _wanted_spec(
    fields: Mapping[str, Any],
    spec: EvalSpec | None,
    like: str | Path | Result | Run | None,
    opened: Engine | None,
    results: str | Path | None,
) -> EvalSpec:
    from harness.evaluation.given_engine import engine_spec
    from harness.runs.field_names import FIELDS
    from harness.runs.spec_fields import make_spec

    if spec is not None and like is not None:
        raise WrongValueError("spec and like both say which settings to take; give one of them")
    base = spec if like is None else _spec_of(like, results)
    values = None if base is None else base.model_dump()
    if opened is None:
        return make_spec(fields, base=values)
    fixed = [name for name in fields if name in FIELDS and FIELDS[name][0] == "engine"]
    if fixed:
        raise WrongValueError(
            f"{', '.join(fixed)} cannot be changed: the engine that was given is open already"
        )
    return make_spec(fields, base=values).model_copy(update={"engine": engine_spec(opened)})


def _spec_of(like: str | Path | Result | Run, results: str | Path | None) -> EvalSpec:
    from harness.runs.record import Run

    found = load_run(like, results=results) if isinstance(like, str | Path) else like
    run = found if isinstance(found, Run) else found.run
    if run is None or run.saved is not None:
        raise UserError(
            f"{found.name} was not drawn by this harness, so how is not known; give the settings"
        )
    return run.spec


def default_name(model: str) -> str:
    """Return the name of a run where none is given: the last telling part of the model's path.

    >>> default_name("out/v4/global_step_100/actor/huggingface"), default_name("demo")
    ('global_step_100', 'demo')
    """
    # A trainer's checkpoints are all called the same; their parents are not.
    generic = {"actor", "huggingface", "checkpoint", "final", "model", "/", ".", ".."}
    kept = [part for part in Path(model).parts[-3:] if part not in generic]
    return kept[-1] if kept else model


def _reference(run: str | Path | Result | None) -> Any:
    """Return how a run is found again: as it was asked for, or by its folder."""
    if run is None or isinstance(run, str | Path):
        return None if run is None else str(run)
    if run.path is None:
        raise UserError(f"{run.name} was published as counts, without samples")
    return str(run.path)


def _found(runs: Sequence[str | Path | Result], results: str | Path | None) -> list[StoredResult]:
    """Return complete results; those that are named are looked for, and each record read once."""
    from harness.runs.catalogue import Catalogue

    catalogue = Catalogue(results_folder(results))
    found: list[StoredResult] = []
    for run in runs:
        if isinstance(run, str | Path):
            found.append(catalogue.find(str(run)))
        elif run.run is not None and run.run.status != "complete":
            raise UserError(
                f"{run.name} ({run.id}) is not complete: finish it with the call that began it"
            )
        else:
            found.append(run)
    return found


def _groups(
    asked: Sequence[str | Path | Result | Sequence[str | Path | Result]],
    results: str | Path | None,
) -> list[list[StoredResult]]:
    """Return complete results in groups; a text with commas is a group, unless it is a name."""
    from harness.runs.catalogue import Catalogue

    catalogue = Catalogue(results_folder(results))
    groups = []
    for group in asked:
        alone = isinstance(group, str | Path) or not isinstance(group, Sequence)
        runs = cast("Sequence[str | Path | Result]", [group] if alone else group)
        names = [catalogue.group(one) if isinstance(one, str) else [one] for one in runs]
        groups.append([one for several in names for one in several])
    found = iter(_found([run for group in groups for run in group], results))
    return [list(islice(found, len(group))) for group in groups]


def train_job(
    trainer: str,
    model: str | Path,
    data: str | Path,
    output: str | Path,
    *,
    settings: Mapping[str, Any] | None = None,
    data_dir: str | Path | None = None,
    **fields: Any,
) -> Job:
    """Return all that `train` would run with these arguments, and run nothing.

    Raises:
        UserError: a value is not one that a training takes, or it could not be begun.
    """
    from pydantic import ValidationError

    from harness.common.schema import first_problem, require_storable
    from trainers import TRAINERS, Job, TrainSpec

    try:
        spec = TrainSpec(
            trainer=trainer,
            model=str(model),
            data=str(data),
            output=Path(output),
            settings={key: _written(value) for key, value in (settings or {}).items()},
            data_dir=data_folder(data_dir),
            **fields,
        )
    except ValidationError as error:
        raise WrongValueError(first_problem(error)) from error
    require_storable(spec)
    job: object = TRAINERS[trainer]().plan(spec)
    if not isinstance(job, Job):  # the trainer may be another package's
        raise UserError(
            f"the trainer '{trainer}' planned an object of type {type(job).__name__} in place of "
            "a Job: a defect of the trainer"
        )
    return job


def _written(value: Any) -> str:
    """Return a trainer's setting as one writes it on a command line."""
    return value if isinstance(value, str) else json.dumps(value)


# --- who is told ----------------------------------------------------------------------------


@contextmanager
def _shown(progress: bool | Progress | None) -> Iterator[Progress]:
    """Open what is told how far the work is: a display for True, nothing for False and None."""
    from harness.common.progress import silent

    if progress is not True:
        yield silent if progress is None or progress is False else progress
        return
    from harness.reporting.progress import open_progress

    with open_progress() as shown:
        yield shown
