"""What other graders and a judge say of our verdicts, for a person or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.common.text import one_line
from harness.evaluation.judging.question import NAME
from harness.grading.compat.audit import OpinionCounts
from harness.grading.verdict import Verdict
from harness.reporting.text.layout import text_table

if TYPE_CHECKING:
    from harness.evaluation.judging.rows import JudgeStage
    from harness.evaluation.second_opinions import SecondOpinions


def audit_fields(second: SecondOpinions) -> dict[str, dict[str, Any]]:
    """Return what each auditor said, for JSON."""
    fields: dict[str, dict[str, Any]] = {
        name: {"opinions": dict(tally.opinions), "disputed": tally.disputed}
        for name, tally in second.tallies.items()
    }
    judge = second.judge
    if judge is not None:
        counts = judge.counts
        fields[NAME] = {
            **judge.judge.record(),
            "served": dict(counts.served),
            "rows": counts.rows,
            "asked": dict(counts.because),
            "earlier": counts.earlier,
            "not_asked": dict(counts.not_asked),
            "opinions": dict(counts.opinions),
            "failures": dict(counts.failures),
            "stopped": judge.judge.stopped,
            "disputed": counts.differs,
        }
    return fields


def audit_text(second: SecondOpinions) -> str:
    """Return what each auditor said: the counts, and the first rows that it disputes."""
    blocks = [_audit_block(name, tally) for name, tally in second.tallies.items()]
    if second.judge is not None:
        blocks.append(_judge_block(second.judge))
    return "\n\n".join(blocks)


def _audit_block(name: str, tally: OpinionCounts) -> str:
    asked = tally.opinions.total()
    heading = f"{name}: {tally.disputed} of {asked} disputed ({_counts(tally.opinions)})"
    rows = [_row(one.id, one.gold, one.verdict, one.opinion) for one in tally.first]
    return f"{heading}{_table(rows, tally.disputed)}"


def _judge_block(stage: JudgeStage) -> str:
    counts, record = stage.counts, stage.judge.record()
    asked, model = counts.because.total(), one_line(record["model"])
    said = f" ({_counts(counts.because)}): {_counts(counts.opinions)}" if asked else ""
    lines = [f"{NAME} ({model}): asked about {asked} of {counts.rows}{said}"]
    if counts.earlier:
        lines.append(f"{counts.earlier} of these opinions are from an earlier time")
    if counts.not_asked:
        lines.append(f"not asked about {counts.not_asked.total()}: {_counts(counts.not_asked)}")
    if counts.failures:
        lines.append(f"no opinion: {_counts(counts.failures)}")
    if stage.judge.stopped:
        lines.append(f"the judge was given up: {one_line(stage.judge.stopped, limit=300)}")
    warmth = record["temperature"]
    warmth = "no temperature" if warmth is None else f"temperature {warmth:g}"
    served = ", ".join(one_line(name) for name in counts.served)
    lines.append(
        f"asked at {one_line(record['host'])} on {record['date']}, prompt {record['prompt']}, "
        f"{warmth}; replies from: {served or 'no model that is named'}"
    )
    rows = [_row(one.id, one.gold, one.verdict, one.opinion) for one in counts.first]
    if counts.differs:
        lines.append(f"it differs from our verdict on {counts.differs}, which stays as it is:")
    return "\n".join(lines) + _table(rows, counts.differs)


def _counts(counted: Mapping[Any, int]) -> str:
    """Return counts with their names, the most frequent first; a name may be from a server."""
    ordered = sorted(counted.items(), key=lambda item: -item[1])
    return ", ".join(f"{count} {one_line(str(name), limit=200)}" for name, count in ordered) or (
        "no rows"
    )


def _row(identity: object, gold: str, verdict: Verdict, opinion: object) -> list[str]:
    return [
        one_line(str(identity), limit=40),
        one_line(gold, limit=24),
        one_line(verdict.extracted, limit=32),
        verdict.outcome.value,
        str(opinion),
    ]


def _table(rows: list[list[str]], disputed: int) -> str:
    if not rows:
        return ""
    table = text_table(rows, ["id", "gold", "answer", "ours", "theirs"])
    rest = disputed - len(rows)
    more = f'\n… and {rest} more: rows with "disputed": true' if rest else ""
    return f"\n{table}{more}"
