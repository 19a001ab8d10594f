"""How often our grader and others are right on the same labelled rows.

    python tests/performance/accuracy.py --corpus DIR [--peers FOLDER] [--docs docs/grading.md]
    python tests/performance/accuracy.py --corpus DIR --disagreements OUT.jsonl

DIR holds rows with a label (`suites.jsonl`, `written.jsonl`, `negatives.jsonl`), and responses of
models with their source's score (`real_outputs.jsonl`), which is an opinion: for those, the second
command writes out where opinions differ. FOLDER holds the other graders' environments, which
`grading_peers.sh` makes; without it, only those that the project's own environment has are asked.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import asking
import click
import labelled
import msgspec
from asking import HOMES, CannotRunError, Reply
from labelled import Row
from measuring import output_option, publish, say

from harness.grading import Grader, grader_version


@dataclass(slots=True, kw_only=True)
class Counts:
    """How often a grader was right on the rows of a file."""

    rows: int = 0
    right: int = 0
    false_negatives: int = 0
    false_positives: int = 0
    without_verdict: int = 0
    """Rows without a verdict, which count as if it had called them wrong."""
    hung: int = 0
    """Those among them on which it was killed, or died."""
    convention_rows: int = 0
    """Rows labelled by a habit of their source, which none of the above counts."""
    convention_right: int = 0

    def add(self, row: Row, reply: Reply) -> None:
        """Count a row that has a label."""
        agrees = bool(reply.right) == row.label
        if row.convention:
            self.convention_rows += 1
            self.convention_right += agrees
            return
        self.rows += 1
        self.right += agrees
        self.false_negatives += not agrees and bool(row.label)
        self.false_positives += not agrees and not row.label
        self.without_verdict += reply.right is None
        self.hung += reply.hung


def count(rows: Iterable[Row], replies: Iterable[Reply]) -> dict[str, int]:
    """Return the counts over rows; those without a label are passed over."""
    counts = Counts()
    for row, reply in zip(rows, replies, strict=True):
        if row.label is not None:
            counts.add(row, reply)
    return asdict(counts)


def measured(
    name: str, files: Mapping[str, list[Row]], environments: Path | None
) -> dict[str, object]:
    """Return a grader's counts by file, with its versions and the seconds it took, or why not."""
    try:
        grader = asking.peer(name, environments)
        began = time.perf_counter()
        try:
            counts = {
                file: count(rows, (grader.ask(row.boxed, row.gold) for row in rows))
                for file, rows in files.items()
            }
        finally:
            grader.close()
    except CannotRunError as error:
        return {"missing": str(error)}
    return {
        "versions": grader.versions,
        "seconds": round(time.perf_counter() - began, 1),
        "files": counts,
    }


def golds_accepted(rows: list[Row]) -> str:
    """Count the golds that the grader accepts for themselves."""
    golds = sorted({row.gold for row in rows if row.gold.strip()})
    with Grader() as grader:
        accepted = sum(grader.grade_answer(gold, gold).correct for gold in golds)
    return f"{accepted}/{len(golds)}"


def our_accuracy(rows: dict[str, list[Row]]) -> dict[str, object]:
    """Return our grader's counts by file."""
    with Grader() as grader:
        files = {
            name: count(each, (Reply(row.submit(grader).result().correct) for row in each))
            for name, each in rows.items()
        }
    return {"versions": {"grader": grader_version()}, "files": files}


def accuracies(
    rows: dict[str, list[Row]], environments: Path | None
) -> dict[str, dict[str, object]]:
    """Return by grader, ours first, how often each is right, or why it could not be asked."""
    found = {"this grader": our_accuracy(rows)}
    for name in HOMES:
        say(f"asking {name}")
        found[name] = measured(name, rows, environments)
    return found


# --- the table ------------------------------------------------------------------------------

BEGIN, END = "<!-- accuracy: begin -->", "<!-- accuracy: end -->"


def table(graders: Mapping[str, dict[str, object]]) -> str:
    """Return the table as Markdown: one part a file, one line a grader."""
    return "\n\n".join(_parts(graders)) + "\n"


def _parts(graders: Mapping[str, dict[str, object]]) -> Iterator[str]:
    ours = next(iter(graders.values()))
    counted = ours["files"]
    assert isinstance(counted, dict)
    for file, own in counted.items():
        by_habit = own["convention_rows"]
        columns = ["grader", "right", "false negatives", "false positives", "no verdict (hung)"]
        columns += ["rows by a source's convention"] * bool(by_habit)
        lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        lines += [_line(name, file, found, len(columns)) for name, found in graders.items()]
        yield f"**{file}**: {own['rows']:,} rows\n\n" + "\n".join(lines)


def _line(name: str, file: str, found: dict[str, object], columns: int) -> str:
    title = f"{name}{_versions(found)}"
    if "missing" in found:
        return f"| {title} | {found['missing']} " + "| " * (columns - 2) + "|"
    counted = found["files"]
    assert isinstance(counted, dict)
    counts = counted[file]
    right = 100 * counts["right"] / counts["rows"] if counts["rows"] else 0.0
    silent = str(counts["without_verdict"])
    silent += f" ({counts['hung']})" if counts["hung"] else ""
    cells = [title, f"{right:.1f} %", counts["false_negatives"], counts["false_positives"], silent]
    if columns > len(cells):
        cells.append(f"{counts['convention_right']}/{counts['convention_rows']}")
    return f"| {' | '.join(map(str, cells))} |"


def _versions(found: dict[str, object]) -> str:
    """Return the first package's version, which is the grader's own."""
    versions = found.get("versions")
    first = next(iter(versions.values()), None) if isinstance(versions, dict) else None
    return f" {first}" if first else ""


def put_into(page: Path, text: str) -> None:
    """Put a text between a page's two marks, in place of what stands there.

    Raises:
        ValueError: the page has not both marks.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no {BEGIN} … {END}")
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


# --- disagreements --------------------------------------------------------------------------


def disagreements(rows: list[Row]) -> Iterator[dict[str, object]]:
    """Yield each row on which ours differs from its source's score or from math-verify.

    The class names who calls it right; which of them errs, a reader has to say.
    """
    peer = asking.peer("math-verify", None)
    try:
        with Grader() as grader:
            for row in rows:
                verdict, other = row.submit(grader).result(), peer.ask(row.boxed, row.gold)
                opinions = {
                    "ours": verdict.correct,
                    "source": row.label,
                    "math-verify": other.right,
                }
                if len({bool(said) for said in opinions.values() if said is not None}) > 1:
                    yield {
                        "class": "right for "
                        + " and ".join(n for n, said in opinions.items() if said),
                        **{"id": row.id, "kind": row.kind, "gold": row.gold},
                        "ours": msgspec.to_builtins(verdict),
                        "source_score": row.label,
                        "math_verify": {"right": other.right, "found": other.found},
                        "response": row.response,
                    }
    finally:
        peer.close()


def write_disagreements(rows: list[Row], path: Path) -> None:
    """Write the disagreements, one a line, and print how many there are of each class."""
    classes: Counter[object] = Counter()
    with path.open("w", encoding="utf-8") as file:
        for found in disagreements(rows):
            classes[found["class"]] += 1
            file.write(json.dumps(found, ensure_ascii=False) + "\n")
    say(f"{classes.total()} of {len(rows)} rows are disputed; they are in {path}")
    say(*(f"{number:>6}  {name}" for name, number in classes.most_common()))


# --- the whole ------------------------------------------------------------------------------


@click.command()
@click.option("--corpus", type=click.Path(path_type=Path), envvar="HARNESS_GRADING_CORPUS")
@click.option(
    "--peers",
    "environments",
    type=click.Path(path_type=Path),
    help="Folder with other graders' environments.",
)
@click.option(
    "--docs",
    type=click.Path(exists=True, path_type=Path),
    help="Put the table into this page.",
)
@click.option(
    "--disagreements",
    "disputed",
    type=click.Path(path_type=Path),
    help="Only write the responses of models on which opinions differ into this file.",
)
@output_option
def main(
    corpus: Path | None,
    environments: Path | None,
    docs: Path | None,
    disputed: Path | None,
    output: Path | None,
) -> None:
    """Print how often each grader is right."""
    rows = labelled.files(corpus)
    spoken = rows.pop(labelled.SPOKEN, [])
    if disputed is not None:
        write_disagreements(spoken, disputed)
        return
    found = accuracies(rows, environments)
    say(table(found))
    if docs is not None:
        put_into(docs, f"Measured on {datetime.now(UTC):%Y-%m-%d}:\n\n{table(found)}")
    accepted = {name: golds_accepted(each) for name, each in rows.items()}
    publish("accuracy", {}, {"graders": found, "golds_accepted": accepted}, output)


if __name__ == "__main__":
    main()
