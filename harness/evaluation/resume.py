""""""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchmarks import UserError
from harness.common.schema import differences
from harness.evaluation.plan import Plan
from harness.runs.record import Run
from harness.runs.sample import Sample, sample_seed

MAY_DIFFER = ("benchmarks.", "prompts_sum", "sampling.n:", "sampling.n_by_benchmark", "grader")
"""Fields of the identity that touch no sample: how many there are, how they are graded."""


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
            f"--reuse {other.id}: its samples were drawn in another way; "
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
