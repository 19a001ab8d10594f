"""Writes the notes that belong to a run's scores: what makes them doubtful or partial."""

from __future__ import annotations

from pathlib import Path

from benchmarks import BENCHMARKS
from benchmarks.hints import hint
from harness.common.text import counted, one_line
from harness.reporting.text.numbers import percent
from harness.runs.record import WITHOUT, Run, Score
from harness.runs.results import Result
from harness.runs.samples_table import drawn_again
from harness.runs.scores import OUTDATED, reliability_problems, token_limit


def score_notes(run: Run, path: Path) -> list[str]:
    """Return the notes under the scores of the run in a folder; reasons for doubt come first."""
    notes = [
        *_doubts(run, path), *_empty(run), *_unstated(run), *_cut_by_context(run), *_left_out(run),
        *_sources(run),
    ]  # fmt: skip
    shown = {"correct", "wrong", "truncated", "no answer"}
    for score in run.scores:
        rest = [
            f"{count} {outcome}"
            for outcome, count in score.outcomes.items()
            if outcome not in shown
        ]
        if rest:
            notes.append(f"{score.benchmark}: {', '.join(rest)}")
        if score.samples != score.problems:
            notes.append(
                f"{score.benchmark}: {counted(score.problems, 'problem')}, "
                f"{counted(score.samples, 'sample')}; interval: {score.interval_method}"
            )
        if score.interval_method == OUTDATED:
            notes.append(
                f"{score.benchmark}: this interval is as an earlier version recorded it, and too "
                "narrow where problems are few; it cannot be made anew without the run's verdicts"
            )
        notes.extend(_without_errata(score))
    return notes + [f"{text}: not a full score" for text in _limited(run)]


def result_notes(result: Result) -> list[str]:
    """Return the notes that belong to a result wherever its average is shown."""
    run, path = result.run, result.path
    if run is None or path is None:
        return []
    return [
        *_doubts(run, path),
        *_empty(run),
        *_unstated(run),
        *_missing(run),
        *_unknown_ends(run),
        *_reward_note(run),
        *_limited(run),
    ]


def _doubts(run: Run, path: Path) -> list[str]:
    remedies = {
        "grader": f"grade it again: {hint(f'regrade {run.id}')}",
        "engine": _draw_again(run, path),
    }
    return [
        f"NOT TO BE TRUSTED: {reason}; {remedy}"
        for part, remedy in remedies.items()
        for reason in reliability_problems(run.scores, part)
    ]


def _draw_again(run: Run, path: Path) -> str:
    """Say how to get the samples on which the engine failed."""
    if run.saved is not None:
        return f"complete the files, and score them again: {hint('score FILES')}"
    if run.spec.engine.name == "replay":
        file = one_line(run.spec.engine.responses, limit=200)
        return f"add their responses to {file}, and give the same command again"
    return f"draw those again: {drawn_again(path, reuse=run.id)}"


def _empty(run: Run) -> list[str]:
    """Say where responses have no text, so that what was generated for them was lost."""
    cause = "the model generated only blanks or special tokens"
    if run.spec.engine.name == "openai":
        cause = (
            "perhaps the token limit ended the model's reasoning (raise --max-tokens, as far as "
            "the context allows), or the server took all of the response for reasoning (start it "
            "with the reasoning parser of this model, or with none)"
        )
    return [
        f"EMPTY RESPONSES: {score.empty:,} of {counted(score.samples, 'sample')} of "
        f"{score.benchmark} ended without any text although tokens were generated for them, and "
        f"count as not correct; {cause}. To see them: {hint(f'show {run.id} --wrong')}"
        for score in run.scores
        if score.empty
    ]


def _cut_by_context(run: Run) -> list[str]:
    """Say where it was not the run's own limit that ended responses."""
    limit = token_limit(run) or run.spec.sampling.max_tokens
    return [
        f"{score.benchmark}: {score.at_context:,} of {counted(score.at_limit, 'response')} that "
        f"were cut off ended before the limit of {limit:,} tokens, because the model's context was "
        "full (or at a limit of the server's own): a higher --max-tokens would change nothing there"
        for score in run.scores
        if score.at_limit and score.at_context
    ]


def _unstated(run: Run) -> list[str]:
    """Say of a run on a server that an earlier version of the harness left sampling to it."""
    engine = run.identity.engine
    if engine.name != "openai" or "neutral" in engine.settings:
        return []
    return [
        "its requests stated only the sampling that was asked for, as those of earlier versions "
        "did: the server may have taken top_p, top_k, min_p and penalties from the model's "
        "generation config"
    ]


def _left_out(run: Run) -> list[str]:
    """Name the sampling parameters that the server refused, so that they were left out."""
    refused = sorted(
        event.removeprefix(WITHOUT) for event in run.usage.events if event.startswith(WITHOUT)
    )
    if not refused:
        return []
    return [
        f"the server accepts no {', '.join(map(one_line, refused))}, so they were left out: if it "
        "has values of its own for them, these were drawn with"
    ]


def _sources(run: Run) -> list[str]:
    """Say where the verdicts or the samples come from, if not from an evaluation."""
    notes = _reward_note(run)
    if run.regraded_from is not None:
        notes.append(f"the samples are those of {run.regraded_from}, graded again")
    if run.saved is not None:
        notes.append(
            f"the samples were read from {run.saved.format} files, which do not say how they were "
            "drawn"
        )
        notes += [f"{text}: not a full score" for text in _missing(run)]
    return notes + _unknown_ends(run)


def _reward_note(run: Run) -> list[str]:
    if run.identity.reward is None:
        return []
    return [f"the verdicts are those of {run.identity.grader}: not the harness's own score"]


def _missing(run: Run) -> list[str]:
    """Name the benchmarks whose problems are only partly in the saved files."""
    whole = {} if run.saved is None else run.saved.problems_of
    return [
        f"{score.benchmark}: {score.problems} of {whole[score.benchmark]} problems"
        for score in run.scores
        if score.problems < whole.get(score.benchmark, 0)
    ]


def _unknown_ends(run: Run) -> list[str]:
    """Say of which scores nobody knows whether the token limit cut responses off."""
    names = [score.benchmark for score in run.scores if score.at_limit is None]
    if not names:
        return []
    return [
        f"{', '.join(names)}: the files do not say of every response whether the token limit cut "
        "it off, and where they do not, a last number or formula that nothing announces is no "
        "answer"
    ]


def _limited(run: Run) -> list[str]:
    """Name the benchmarks that a limit cut short."""
    limit = run.spec.limit
    if limit is None:
        return []
    # A benchmark that is not installed here is taken to have more problems than the limit.
    known = {name: BENCHMARKS.get(name) for name in run.spec.benchmarks}
    rows = {name: benchmark.test.rows for name, benchmark in known.items() if benchmark}
    cut = [name for name in run.spec.benchmarks if rows.get(name, limit + 1) > limit]
    if not cut:
        return []
    which = "each benchmark" if len(cut) == len(run.spec.benchmarks) else ", ".join(cut)
    return [f"only the first {limit} problems of {which}"]


def _without_errata(score: Score) -> list[str]:
    rest = score.without_errata
    if rest is None:
        return []
    doubted = score.problems - rest.problems
    golds = "1 doubtful gold" if doubted == 1 else f"{doubted} doubtful golds"
    return [
        f"{score.benchmark}: without {golds}: {rest.correct}/{rest.samples} = "
        f"{percent(rest.accuracy)} %"
    ]
