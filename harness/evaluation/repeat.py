"""Draw a plan's requests several times with one engine, for `check-determinism`.

The engine is started once. It clears its caches before every draw, so that each draw begins as
a run of its own would. Nothing is stored. Two draws are in memory at a time, the first one and
the one that is compared with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks import UserError
from harness.engines import ENGINES, Engine
from harness.evaluation.determinism import Drawn, Row, Split, agreement, groups_of
from harness.evaluation.drawing import draw, open_engine, overflow_sample, sample_of
from harness.evaluation.grade_sample import grade_sample
from harness.evaluation.plan import Plan, prepare, require_files
from harness.grading import Grader, Verdict
from harness.runs.sample import Sample, SampleKey
from harness.runs.spec import EvalSpec

Draw = dict[SampleKey, Drawn]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to ask the same requests."""

    name: str
    shuffled: bool = False
    batch: int | None = None
    """Requests in a group, which ends before the next begins; None lets the engine decide."""


FIRST = Variant(name="as they come")
AGAIN = Variant(name="the same again")


def variants(batches: Iterable[int]) -> tuple[Variant, ...]:
    """Return the draws that are made; all others are compared with the first."""
    return (
        FIRST,
        AGAIN,
        Variant(name="another order", shuffled=True),
        *(Variant(name=f"{size} at a time", batch=size) for size in dict.fromkeys(batches)),
    )


def repeat_draws(
    spec: EvalSpec,
    *,
    batches: Sequence[int],
    data_dir: Path | None,
    stage: Callable[[str], None],
) -> tuple[Plan, list[Row]]:
    """Draw a spec's requests once for each variant, and compare each draw with the first.

    Args:
        spec: the evaluation whose requests are drawn.
        batches: batch sizes; each adds a draw in which the requests come in such batches.
        data_dir: the folder that the benchmarks' files are read from.
        stage: is called with the name of each stage of the work as it begins.

    Returns:
        The plan, and one row for each benchmark of each draw but the first.

    Raises:
        UserError: a model or file is missing, the engine failed as a whole, or its responses do
            not belong to the requests.
    """
    require_files(spec, data_dir=data_dir)
    with ENGINES[spec.engine.name].launch(spec.engine) as opener:
        stage("reading problems and model")
        plan = prepare(spec, data_dir=data_dir)
        stage(f"starting the {spec.engine.name} engine")
        engine = open_engine(plan, opener)
        try:
            with Grader() as grader:
                return plan, list(_rows(plan, Repeater(plan, engine, grader), batches, stage))
        finally:
            engine.close()


def _rows(
    plan: Plan, repeater: Repeater, batches: Sequence[int], stage: Callable[[str], None]
) -> Iterator[Row]:
    first, *others = variants(batches)
    stage(f"drawing {first.name}")
    first_draw = repeater.draw(first)
    first_parts = by_benchmark(plan, first_draw)
    for variant in others:
        stage(f"drawing {variant.name}")
        for name, part in by_benchmark(plan, repeater.draw(variant, first_draw)).items():
            found = agreement(first_parts[name], part, split=_split(plan))
            yield Row(variant=variant.name, benchmark=name, agreement=found)


def _split(plan: Plan) -> Split:
    """Return a function that splits a response into tokens, or characters without a tokenizer."""
    if plan.checkpoint is None:
        return list
    encode = plan.checkpoint.tokenizer.encode
    return lambda text: list(encode(text, add_special_tokens=False))


class Repeater:
    """Draws a plan's requests in one of the variants, and grades the responses."""

    def __init__(self, plan: Plan, engine: Engine, grader: Grader) -> None:
        self._plan, self._engine, self._grader = plan, engine, grader
        self._references = plan.asked()

    def draw(self, variant: Variant, first: Mapping[SampleKey, Drawn] | None = None) -> Draw:
        """Draw every request once, and return the graded responses.

        A response that is the same as in the ``first`` draw gets the same verdict without being
        graded again, because only the engine is tested here.

        Raises:
            UserError: the engine failed as a whole, or its responses do not belong to the requests.
        """
        samples = list(self._samples(variant))
        outcomes = {sample.key: self._outcome(sample, first or {}) for sample in samples}
        return {
            sample.key: Drawn(
                response=sample.response,
                finish_reason=sample.finish_reason,
                outcome=_settled(outcomes[sample.key]).outcome,
            )
            for sample in samples
        }

    def _samples(self, variant: Variant) -> Iterator[Sample]:
        requests = list(self._plan.requests())
        if variant.shuffled:
            Random(self._plan.spec.sampling.seed).shuffle(requests)
        yield from (overflow_sample(one) for one in requests if one.max_tokens == 0)
        to_ask = [request for request in requests if request.max_tokens > 0]
        missing = len(to_ask)
        self._engine.forget()
        for group in groups_of(to_ask, variant.batch):
            for answered in draw(self._engine, group):
                missing -= 1
                yield sample_of(*answered)
        if missing:
            raise UserError(f"the engine has a bug: it returned {missing} samples too few")

    def _outcome(
        self, sample: Sample, first: Mapping[SampleKey, Drawn]
    ) -> Verdict | Future[Verdict]:
        known = first.get(sample.key)
        if known is not None and known.says(sample.response, sample.finish_reason):
            return Verdict(outcome=known.outcome)
        reference = self._references[sample.problem_id]
        return grade_sample(sample, reference, read=self._plan.style.read, grader=self._grader)


def _settled(verdict: Verdict | Future[Verdict]) -> Verdict:
    return verdict if isinstance(verdict, Verdict) else verdict.result()


def by_benchmark(plan: Plan, draw: Mapping[SampleKey, Drawn]) -> dict[str, Draw]:
    """Split a draw by benchmark, in the plan's order."""
    owner = {problem.id: name for name, asked in plan.problems.items() for problem in asked}
    parts: dict[str, Draw] = {name: {} for name in plan.problems}
    for key, drawn in draw.items():
        parts[owner[key.problem_id]][key] = drawn
    return parts
