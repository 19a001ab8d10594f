"""Where an evaluation works: in a new folder, or in that of a run which it goes on with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks import UserError
from harness.common.schema import differences
from harness.evaluation.plan import Plan
from harness.runs.catalogue import Catalogue, require_same
from harness.runs.folder import RunFolder, read_samples
from harness.runs.record import Run
from harness.runs.sample import Sample, sample_seed

MAY_DIFFER = ("benchmarks.", "prompts_sum", "sampling.n:", "sampling.n_by_benchmark", "grader")
"""Fields of the identity that touch no sample: how many there are, how they are graded."""


def open_run(
    plan: Plan,
    catalogue: Catalogue,
    *,
    name: str,
    tags: Sequence[str] = (),
    resume: Path | None = None,
    reuse: str | None = None,
    again: bool = False,
) -> RunFolder:
    """Open the folder that a plan's run is stored in; no other process can use it until it closes.

    A run of the same name and identity that is stored already is opened again, whether it is
    complete or not. Otherwise a new folder is made.

    Args:
        plan: what the run asks.
        catalogue: the stored runs, among which the run is looked for and stored.
        name: the name to store the run under.
        tags: words to find the run by; a stored run gets those that it lacks.
        resume: the folder of the run to go on with, wherever it is.
        reuse: another run, by name, tag, id or folder; those of its samples that this run would
            draw in just the same way are taken over.
        again: begin a new run even if the same one is stored.

    Raises:
        UserError: ``resume`` holds another run; the samples of ``reuse`` were drawn in another
            way; or the folder cannot be written, or another process is using it.
    """
    run = plan.new_run(name, tags)
    # Looked for first, so that no folder is made for a run that is then refused.
    adopted = None if reuse is None else _reusable(plan, catalogue, reuse)
    folder = _open_folder(plan, catalogue, run, resume=resume, again=again)
    try:
        if adopted is not None and folder.run.status == "incomplete":
            _adopt(folder, *adopted)
        _add_tags(folder, run.tags)
    except BaseException:
        folder.close()
        raise
    return folder


def _open_folder(
    plan: Plan, catalogue: Catalogue, run: Run, *, resume: Path | None, again: bool
) -> RunFolder:
    if resume is not None:
        require_same(resume, run)
        return RunFolder(resume)
    stored = None if again else catalogue.same_as(run)
    if stored is not None:
        return RunFolder(stored)
    return RunFolder.create(catalogue.root, run, lineage=plan.lineage)


def _reusable(plan: Plan, catalogue: Catalogue, asked: str) -> tuple[str, Iterator[Sample]]:
    path, other = catalogue.find_run(asked)
    return other.id, reusable(plan, other, read_samples(path))


def _adopt(folder: RunFolder, other: str, samples: Iterable[Sample]) -> None:
    reused = Counter(folder.run.reused)
    for sample in samples:
        if sample.key not in folder.samples:
            folder.append(sample)
            reused[other] += 1
    folder.update(folder.run.model_copy(update={"reused": dict(reused)}))


def _add_tags(folder: RunFolder, tags: Sequence[str]) -> None:
    both = tuple(dict.fromkeys([*folder.run.tags, *tags]))
    if both != folder.run.tags:
        folder.update(folder.run.model_copy(update={"tags": both}))


def reusable(plan: Plan, other: Run, samples: Iterable[Sample]) -> Iterator[Sample]:
    """Return those of another run's samples that this plan would draw in just the same way.

    So 16 samples a problem become 64 at the price of 48, and a run over the first
    problems becomes one over all.

    Raises:
        UserError: the other run's model, sampling, engine or stop tokens differ.
    """
    changed = [
        difference
        for difference in differences(other.identity, plan.identity)
        if not difference.startswith(MAY_DIFFER)
    ]
    if changed:
        raise UserError(
            f"reuse {other.id}: its samples were drawn in another way; "
            f"theirs -> asked: {'; '.join(changed)}"
        )
    return _drawn_alike(plan, samples)


def _drawn_alike(plan: Plan, samples: Iterable[Sample]) -> Iterator[Sample]:
    counts = {
        problem.id: plan.spec.sampling.samples_for(name)
        for name, problems in plan.problems.items()
        for problem in problems
    }
    for sample in samples:
        if sample.index >= counts.get(sample.problem_id, 0):
            continue
        seed = sample_seed(plan.spec.sampling.seed, sample.problem_id, sample.index)
        if (sample.prompt_sum, sample.seed) == (plan.prompts[sample.problem_id].checksum, seed):
            yield sample
