"""Nothing that a command prints can steer a terminal, whoever wrote what it read."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from replayed import replay_spec, write_responses

from benchmarks import UserError
from harness.api import compare, evaluate, load_run
from harness.cli import LazyGroup, main
from harness.cli import data as data_command
from harness.common.text import disarmed, printable
from harness.models.lineage import LINEAGE, Lineage
from harness.reporting.progress import ShownProgress
from harness.reporting.text.layout import csv_table
from harness.runs.file_names import PARQUET, RECORD
from harness.runs.published import Published
from harness.runs.record import Run
from harness.runs.verdicts import VERDICTS, ProblemVerdicts

ARMS = "\x1b]0;x\x07\x1b[31m\x9b2J\x7f\r\x08\u202e\u2066\u200f\u2028\u2029\u0085\ue000\U000e0041"
"""What could steer a terminal: escape sequences, C1 controls, and marks of direction."""
WORKING = ("demo", "sum", "style", "conventions", "finish_reason", "stop")
"""How the texts begin without which a run cannot be compared or graded again."""
KEPT = "é日本±−…"
HOSTILE = f"{KEPT}{ARMS}"
SOURCES = sorted(Path(data_command.__file__).parent.glob("*.py"))


def armed(text: str) -> set[str]:
    """The characters of a printed text that are neither layout nor plain Unicode."""
    kinds = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return {c for c in text if c not in "\n\t" and unicodedata.category(c) in kinds}


def poisoned(value: Any, is_valid: Callable[[Any], bool], spared: tuple[str, ...]) -> Any:
    """A value of JSON with `HOSTILE` in each of its texts and keys that may be any text.

    Texts and fields that begin with a word of ``spared`` stay.
    """
    for path in [*places(value)]:
        changed = deepcopy(value)
        *outer, last = path
        inner = reduce(getitem, outer, changed)
        spare = isinstance(last, str) and last.startswith(spared)
        if isinstance(inner[last], str) and not spare and not inner[last].startswith(spared):
            inner[last] += HOSTILE
        value = changed if is_valid(changed) else value
    for path in [*places(value)][::-1]:  # the innermost keys first: their paths need the outer ones
        changed = deepcopy(value)
        *outer, last = path
        inner = reduce(getitem, outer, changed)
        if isinstance(last, str) and not last.startswith(spared):
            inner[last + HOSTILE] = inner.pop(last)
        value = changed if is_valid(changed) else value
    return value


def places(value: Any, *outer: Any) -> Iterator[tuple[Any, ...]]:
    """The paths of everything in nested lists and objects, the outer ones first."""
    keys = {dict: lambda: [*value], list: lambda: range(len(value))}.get(type(value), tuple)()
    for key in keys:
        yield (*outer, key)
        yield from places(value[key], *outer, key)


def fits(kind: type[Any]) -> Callable[[Any], bool]:
    def is_valid(value: Any) -> bool:
        try:
            kind.model_validate_json(json.dumps(value))
        except (ValidationError, ValueError):
            return False
        return True

    return is_valid


def poison_run(folder: Path, *spared: str) -> None:
    """Put `HOSTILE` into every text of a stored run, apart from what `poisoned` spares."""
    spared = (*spared, "correct")
    rows = [json.loads(line) for line in (folder / VERDICTS).read_text().splitlines()]
    rows[1:] = [poisoned(row, fits(ProblemVerdicts), spared) for row in rows[1:]]
    (folder / VERDICTS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    fields = poisoned(json.loads((folder / RECORD).read_text()), fits(Run), spared)
    fields["verdicts_sum"] = hashlib.sha256((folder / VERDICTS).read_bytes()).hexdigest()
    (folder / RECORD).write_text(json.dumps(fields))
    lineage = {"trainer": "t", "base_model": {"name": "b"}, "recipe": {"k": "v"}, "steps": 3}
    found = poisoned(lineage, fits(Lineage), spared)
    (folder / LINEAGE).write_text(json.dumps(found))
    table = pq.read_table(folder / PARQUET).to_pylist()
    for row in table:
        for name, value in row.items():
            known = name in ("outcome", "finish_reason")  # another value there is refused
            if isinstance(value, str) and not known and not (value + name).startswith(spared):
                row[name] = f"{value}{HOSTILE}"
    pq.write_table(pa.Table.from_pylist(table), folder / PARQUET)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results of strangers, and files of other kinds from them.

    ``mine`` is as it was made. Of ``names`` everything but the names of benchmarks and problems is
    hostile, of ``all`` these too.
    """
    place = tmp_path_factory.mktemp("world")
    responses = write_responses(place / "responses.jsonl", limit=4, n=2)
    spec = replay_spec(responses, limit=4, n=2)
    results = place / "results"
    for name in ("mine", "names", "all"):
        run = evaluate(spec.model, spec=spec, name=name, results=results, progress=False)
        assert run.path is not None
        run.path.rename(place / f"{name}-run")
        (results / "runs" / name).rmdir()
        if name != "mine":
            poison_run(place / f"{name}-run", *(WORKING if name == "names" else []))
        shutil.copytree(place / f"{name}-run", results / "runs" / name / "run")
    published = {
        "title": "t", "url": "u", "note": "n",
        "results": [{"name": "theirs", "model": "m", "settings": {"k": "v"},
                     "scores": {"demo": {"problems": 4, "correct": 1}}}],
    }  # fmt: skip
    (results / "published").mkdir()
    (results / "published" / "source.json").write_text(
        json.dumps(poisoned(published, fits(Published), ("demo",)))
    )
    said = [
        {"problem_id": "demo/test-0001", "response": f"\\boxed{{{HOSTILE}}}", "gold": HOSTILE,
         "outcome": "correct", "extracted": HOSTILE, "finish_reason": HOSTILE},
        {"problem_id": f"demo{HOSTILE}", "response": "\\boxed{1}", "gold": "1"},
        {"problem_id": HOSTILE, "response": "x", "index": HOSTILE},
        {"problem_id": HOSTILE, "response": "x"},
    ]  # fmt: skip
    (place / f"said{HOSTILE}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    pairs = [{"id": HOSTILE, "gold": HOSTILE, "response": f"\\boxed{{{HOSTILE}}}"},
             {"id": HOSTILE, "gold": "1", "response": "1", "benchmark": HOSTILE}]  # fmt: skip
    (place / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pairs))
    (place / "broken").mkdir()
    (place / "broken" / RECORD).write_text(json.dumps({"schema_version": HOSTILE}))
    return place


def harness(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str, str]:
    """Run a command in this process, as if on a terminal: click shows what it would there."""
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda *_: False)
    # What `main` sets is set back after the test.
    monkeypatch.setattr(logging, "_logRecordFactory", logging.getLogRecordFactory())
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.setattr("sys.argv", ["harness", *map(str, arguments)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else 0), said.out, said.err


FINE = [
    "list", "list runs", "list published", "list --json",
    "list --results *",
    *(f"table --format {form}{cost}" for form in ("text", "markdown", "csv", "latex", "json")
      for cost in ("", " --cost")),
    "table --write",
    *(f"show {run}{how}" for run in ("names-run", "all-run", "theirs*")
      for how in ("", " --json")),
    *(f"show {run}{how}" for run in ("names-run", "all-run")
      for how in (" --wrong", " --wrong --json", " --by kind*", " --by kind* --json")),
    "show names-run --problem demo/test-0002", "show all-run --problem demo/test-0002*",
    *(f"diff {pair}{how} --allow-mismatch"
      for pair in ("mine names-run", "names-run mine")
      for how in ("", " --json", " --show fixed", " --show broken", " --margin 2")),
    *(f"rank {runs}{how} --allow-mismatch"
      for runs in ("mine names-run", "--base mine names-run") for how in ("", " --json")),
    "diff theirs* names-run", "diff theirs* names-run --json",
    "regrade names-run", "regrade names-run --json",
    "show names-run --audit judge --judge-url http://127.0.0.1:9/* --judge-model *",
    "regrade names-run --reward hendrycks-boxed",
    "score said*.jsonl --benchmark demo", "score said*.jsonl --benchmark demo --json",
    "score names-run",
    "report names-run theirs* -o *.html", "report all-run -o all.html",
    "eval --engine replay --responses responses.jsonl --benchmarks demo --limit 4 --name *",
    "eval --engine replay --responses responses.jsonl --benchmarks demo --limit 4 --name * --json",
    "eval --engine replay --responses responses.jsonl --benchmarks demo --limit 4 --estimate",
    "check-determinism --engine replay --responses responses.jsonl --benchmarks demo --limit 2",
]  # fmt: skip
WRONG = [
    "show *", "show broken", "show names-run --by *", "show names-run --outcome *",
    "show names-run --benchmark *", "show names-run --problem *", "show * --json",
    "diff mine *", "diff mine theirs* --show fixed", "diff names-run all-run",
    "diff names-run names-run", "diff names-run mine --gate better --allow-mismatch",
    "table *", "table --check", "table --tag *", "table --format *", "table --*", "*",
    "regrade all-run", "regrade names-run --reward *", "list *",
    "score pairs.jsonl", "score all-run/samples.parquet", "score said*.jsonl --format lm-eval",
    "score said*.jsonl --benchmark *", "score no*.jsonl",
    "grade pairs.jsonl -o * --audit math-verify", "grade pairs.jsonl -o - --json",
    "grade pairs.jsonl -o * --audit judge --judge-url * --judge-model *",
    "grade pairs.jsonl -o * --audit judge --judge-url http://127.0.0.1:9/v1 --judge-model * "
    "--judge-key-variable * --judge-arg *",
    "grade pairs.jsonl -o no*/such", "report * -o r.html", "report mine -o no*/r.html",
    "eval --model * --benchmarks demo", "eval --model demo --benchmarks *", "eval --n *",
    "eval --model demo --prompt *", "eval --model demo --engine-arg *", "eval --spec pairs.jsonl",
    "data verify *", "data fetch *", "data build * --style gsm8k -o out", "data build pairs.jsonl "
    "--style boxed -o out", "train --trainer * --model demo --data demo --output out",
    "train --trainer verl-grpo-v4 --model * --data demo --output out --dry-run",
]  # fmt: skip
"""Commands, in which ``*`` stands for `HOSTILE`."""


@pytest.mark.filterwarnings("ignore:constrained_layout not applied:UserWarning")  # long names
@pytest.mark.parametrize("line", [*FINE, *WRONG])
def test_no_command_prints_what_could_steer_a_terminal(
    line: str,
    world: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    arguments = [word.replace("*", HOSTILE) for word in line.split()]
    code, out, err = harness(monkeypatch, capsys, *arguments)
    assert (code == 0) == (line in FINE), (out, err)
    assert armed(out) == set()
    assert armed(err) == set()
    assert "Traceback" not in err
    if code == 0 and re.search("--json|--format json", line):
        json.loads(out)


def test_json_has_the_same_values(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(world)
    _, out, _ = harness(monkeypatch, capsys, "show", "names-run", "--json")
    shown, stored = json.loads(out), json.loads((world / "names-run" / RECORD).read_text())
    assert {key: shown[key] for key in stored} == stored
    assert HOSTILE in shown["name"]
    assert KEPT in out
    _, out, _ = harness(monkeypatch, capsys, "show", "names-run", "--json", "--wrong")
    assert all(row["response"].endswith(HOSTILE) for row in json.loads(out))


def test_the_kept_table_holds_the_data_and_the_printed_one_is_disarmed(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(world / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    harness(monkeypatch, capsys, "table", "--write")
    assert f"names{HOSTILE}" in (tmp_path / "results" / "table.csv").read_bytes().decode()
    assert armed((tmp_path / "results" / "TABLE.md").read_bytes().decode()) == set()
    _, out, _ = harness(monkeypatch, capsys, "table", "--format", "csv")
    assert KEPT in out
    assert armed(out) == set()


def test_what_python_prints_is_disarmed_too(world: Path) -> None:
    run = load_run(world / "all-run")
    found = compare(
        load_run(world / "mine-run"), load_run(world / "names-run"), allow_mismatch=True
    )
    for shown in (str(run), repr(run), str(found), repr(found)):
        assert KEPT in shown
        assert armed(shown) == set()


def test_progress_is_disarmed(capsys: pytest.CaptureFixture[str]) -> None:
    with ShownProgress() as progress:
        progress.stage(HOSTILE)
        progress.advance(0, 1, part=HOSTILE, note=HOSTILE)
        progress.say(HOSTILE)
    said = capsys.readouterr()
    assert KEPT in said.err
    assert armed(said.err) == set()


def test_a_fault_of_ours_is_disarmed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(HOSTILE)

    monkeypatch.setattr(LazyGroup, "get_command", fail)
    code, _, err = harness(monkeypatch, capsys, "list")
    assert code == 70
    assert "a fault of the harness" in err
    assert "RuntimeError" in err
    assert armed(err) == set()


def test_what_libraries_log_and_warn_of_is_disarmed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    disarmed_warning = []

    def talk(*_: object) -> None:
        logging.getLogger("a library").warning("of %s, 100 %%", HOSTILE)
        logging.getLogger("a library").warning(f"{HOSTILE} %d")
        disarmed_warning.append(warnings.formatwarning(HOSTILE, UserWarning, "file", 1))
        raise UserError(HOSTILE)

    monkeypatch.setattr(LazyGroup, "get_command", talk)
    shown = logging.StreamHandler()
    logging.getLogger("a library").addHandler(shown)
    try:
        _, _, err = harness(monkeypatch, capsys, "list")
    finally:
        logging.getLogger("a library").removeHandler(shown)
    assert err.count(KEPT) == 3
    assert ", 100 %\n" in err
    assert armed(err) == set()
    assert armed(disarmed_warning[0]) == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_commands_print_in_one_place(path: Path) -> None:
    """Whoever prints in another way is not disarmed."""
    text = path.read_text(encoding="utf-8")
    others = r"click\.(echo|secho|echo_via_pager|style)\(|\bprint\(|std(out|err)\.write"
    assert len(re.findall(others, text)) == (path.name == "output.py")


@given(st.text(st.characters(codec=None)))
def test_disarmed_text_is_plain_and_json_stays_what_it_was(text: str) -> None:
    assert armed(disarmed(text)) == set()
    assert armed(printable(text)) == set()
    assert disarmed(printable(text)) == printable(text)
    document = disarmed(json.dumps({text: [text]}, ensure_ascii=False))
    assert json.loads(document) == {text: [text]}


def test_ordinary_unicode_stays() -> None:
    text = "é 日本 ± − … “x” 𝛼 ≥\n\t→"
    assert disarmed(text) == printable(text) == text


def test_no_cell_of_a_csv_is_a_formula() -> None:
    rows = [{"name": "=1+1", "@head": "-1.5"}, {"name": "-", "@head": -1.5}]
    assert csv_table(rows) == "name,'@head\n'=1+1,-1.5\n-,-1.5"
