"""What no command expects is one paragraph, an exit code, and a traceback in a file."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from replayed import write_responses
from stored import store_run, verdict_rows

from harness.cli import list as list_command
from harness.cli import main
from harness.cli.last_handler import FAULT, UNREAD, told

GOLDEN = Path(__file__).parent.parent / "golden/faults.txt"
DEEP = "[" * 200_000 + "]" * 200_000
REPLAY = "eval --engine replay --benchmarks demo --limit 3 --responses"
SCORE = "score --benchmark demo"
LONG = "a" * 300

ASKED = (
    # JSON that is nested without end, in each file that is read.
    "show run",
    "show verdicts",
    "diff lineage good",
    "table --results deep",
    f"{SCORE} deep.jsonl",
    f"{SCORE} inside.jsonl",
    f"{REPLAY} inside.jsonl",
    f"{REPLAY} r.jsonl --resume journal/run",
    f"{REPLAY} r.jsonl --spec deep.json",
    "grade deep.jsonl -o -",
    "data verify gsm8k --data deep",
    "data build deep.json --style boxed -o built",
    "train --trainer verl-sft --model model --data demo --output out --dry-run",
    # Names that are none.
    "eval --model 'my models/qwen' --benchmarks demo",
    f"eval --model {LONG} --benchmarks demo",
    f"eval --model {LONG}/{LONG} --benchmarks demo",
    f"table --results {LONG}",
    f"{REPLAY} r.jsonl --name v1 --tag \udcff",
    f"{REPLAY} \udcff.jsonl",
    # Places that cannot be written to.
    "grade r.jsonl -o ''",
    "grade r.jsonl -o results",
    "report good -o ''",
    "report good -o results",
    "table --results r.jsonl",
    "table --write --results \udcff",
    "data build rows.jsonl --style boxed -o r.jsonl",
)
"""Command lines, each with one thing that is wrong."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with runs and files that are broken in one way each."""
    folder = tmp_path_factory.mktemp("work")
    rows = verdict_rows({"gsm8k": [[True], [False]]})
    for name in ("run", "verdicts", "lineage", "good"):
        result = store_run(folder / f"kept/{name}", name, rows)
        assert result.path is not None
        result.path.rename(folder / name)
    (folder / "run/run.json").write_text(DEEP, encoding="utf-8")
    (folder / "verdicts/verdicts.jsonl").write_text(DEEP, encoding="utf-8")
    (folder / "lineage/lineage.json").write_text(f'{{"recipe": {DEEP}}}', encoding="utf-8")
    (folder / "deep/published").mkdir(parents=True)
    (folder / "deep/published/p.json").write_text(f'{{"title": {DEEP}}}', encoding="utf-8")
    (folder / "deep/gsm8k").mkdir()
    for path in ("deep.jsonl", "deep.json", "deep/gsm8k/test.jsonl"):
        (folder / path).write_text(DEEP + "\n", encoding="utf-8")
    row = f'{{"problem_id": "demo/test-0001", "response": "", "x": {DEEP}}}\n'
    (folder / "inside.jsonl").write_text(row, encoding="utf-8")
    (folder / "model").mkdir()
    (folder / "model/config.json").write_text(DEEP, encoding="utf-8")
    (folder / "journal/run").mkdir(parents=True)
    (folder / "journal/run/run.json").write_text(DEEP, encoding="utf-8")
    (folder / "journal/run/samples.jsonl").write_text(row, encoding="utf-8")
    (folder / "rows.jsonl").write_text('{"prompt": "q", "answer": "1"}\n', encoding="utf-8")
    write_responses(folder / "r.jsonl", limit=3)
    (folder / "results").mkdir()
    return folder


def test_each_is_one_paragraph_and_a_code(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """To accept a change: `pytest tests/cli/test_faults.py --update-golden`."""
    monkeypatch.chdir(folder)
    for variable in ("HARNESS_RESULTS", "HARNESS_DATA", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = []
    for asked in ASKED:
        monkeypatch.setattr(sys, "argv", ["harness", *shlex.split(asked)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        assert ended.value.code in (1, 2), asked
        found.append(
            f"$ harness {shortened(asked)}\nexit {ended.value.code}\n{last(said.err or said.out)}\n"
        )
    text = "\n".join(found).replace(str(folder), "WORK")
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def shortened(text: str) -> str:
    """Return a text without what is repeated in it, and without halves of surrogate pairs."""
    written = text.encode("ascii", "backslashreplace").decode()
    return re.sub(r"(.)\1{30,}", lambda found: f"{found[1]}…", written)


def last(said: str) -> str:
    """Return the paragraph of a failure; what came before it are lines of progress."""
    lines = shortened(said).strip().splitlines()
    begins = [n for n, line in enumerate(lines) if line.startswith(("harness: ", "Error: "))]
    assert len(begins) <= 1, said
    return re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{8}", "RUN", "\n".join(lines[sum(begins) :]))


def harness(*words: str, stdout: object = subprocess.PIPE) -> subprocess.Popen[str]:
    asked = [sys.executable, "-m", "harness", *words]
    return subprocess.Popen(asked, stdout=stdout, stderr=subprocess.PIPE, text=True)  # type: ignore[call-overload,no-any-return]


def test_a_full_standard_output_is_told() -> None:
    with (
        open("/dev/full", "w", encoding="utf-8") as full,
        harness("list", "--json", stdout=full) as running,
    ):
        assert running.stderr is not None
        said = running.stderr.read()
        assert running.wait() == 1
    assert said == (
        "harness: `harness list` could not go on: No space left on device; make room, and give "
        "the same command again\n"
    )


def test_a_pipe_that_nobody_reads_ends_without_a_word() -> None:
    running = harness("list", "--json")
    with running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == ""
        assert running.wait() == UNREAD


def test_an_output_that_nobody_reads_ends_without_a_word_whatever_it_is_called(
    tmp_path: Path,
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"gold": "4", "response": "The answer is 4."}\n')
    published = str(Path(__file__).parents[2] / "results")
    for words in (
        ["grade", str(rows), "-o", "/dev/stdout"],
        ["report", "openseek-v1", "--results", published, "-o", "/dev/stdout"],
    ):
        running = harness(*words)
        with running:
            assert running.stdout is not None
            assert running.stderr is not None
            running.stdout.close()
            said = running.stderr.read()
            assert (running.wait(), said) == (UNREAD, ""), words


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A command with a fault, and the folder in which its traceback is kept."""

    def fails(**_: object) -> None:
        raise KeyError("some\x1b[2Jthing")

    monkeypatch.setattr(list_command.command, "callback", fails)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("SECRET_TOKEN", "hf_secret")
    monkeypatch.setattr(sys, "argv", ["harness", "list", "--results=secret-place", "--json"])
    return tmp_path


def test_a_fault_of_ours_is_told_as_one_and_kept(
    faulty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == FAULT == 70
    said = capsys.readouterr().err
    (kept,) = faulty.glob("harness-fault-*.txt")
    assert said == (
        "harness: `harness list` ended by a fault of the harness, not of yours: KeyError: "
        f"'some\\x1b[2Jthing'. Its traceback is in {kept}: please report it, with what was "
        "asked.\n"
    )
    text = kept.read_text(encoding="utf-8")
    assert "harness list --results --json\n" in text
    assert text.endswith("KeyError: 'some\\x1b[2Jthing'\n")
    assert "secret" not in text
    assert kept.stat().st_mode & 0o077 == 0


def test_where_nothing_can_be_kept_the_place_is_told(
    faulty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(faulty / "none"))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == FAULT
    said = capsys.readouterr().err
    assert re.search(
        r"could not be written \(.*\)\. It came from .*test_faults\.py, line \d+", said
    )


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            PermissionError(13, "Permission denied", "/x"),
            1,
            "/x: Permission denied; mend that path",
        ),
        (OSError(28, "No space left on device"), 1, "No space left on device; make room"),
        (FileNotFoundError(2, "No such file or directory"), FAULT, "FileNotFoundError"),
        (BrokenPipeError(32, "Broken pipe"), FAULT, "BrokenPipeError"),
        (EOFError(), FAULT, "EOFError"),
        (MemoryError(), FAULT, "MemoryError"),
        (RecursionError("deep"), FAULT, "RecursionError: deep"),
        (ValueError("x" * 100_000), FAULT, "ValueError: xxx"),
    ],
)
def test_what_the_system_refuses_is_not_our_fault(
    error: Exception, code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    message, found = told(error, ["eval", "--model", "secret"])
    assert (found, said in message, "secret" in message) == (code, True, False), message
    assert len(message) < 1000
