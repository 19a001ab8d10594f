"""Fuzz the command line: tampered files and random flags must never end in a traceback.

    PYTHONPATH=tests/helpers python tests/faults/fuzz_commands.py --seconds 600 --seed 7

A small world of stored runs, saved responses, data and a checkpoint is made once. Each case takes
a copy of it, spoils some of the files that a command reads, and runs the command with random flags,
in this process and only with engines that start nothing. It fails if the exit code is none that a
command may end with, if a traceback is shown, if a thread fails, or if it takes too long. Each case
depends only on the seed and its number, so that ``--seed 7 --only 1234`` runs one case again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom
from types import FrameType
from typing import Any

import click
from replayed import write_responses
from saved_rows import (
    demo_problems,
    lighteval_row,
    lm_eval_row,
    old_lighteval_row,
    qwen_row,
    right,
    write_lines,
    write_table,
)

from harness import cli

ALLOWED = (0, 1, 2, 3)
"""The exit codes of a command that nobody interrupts; 3 is that of a gate that does not hold."""
PATIENCE = 120.0
"""Seconds in which a command on so small a world has to end."""
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HARNESS_DATA": "", "NO_COLOR": "1"}
ENGINES = ("replay", "scripted")
"""The engines that start nothing."""


# --- the world ------------------------------------------------------------------------------

LINEAGE = {"trainer": "t", "recipe": {"a.b": 1}, "steps": 2, "curves": {"step": [1, 2]}}
PUBLISHED = {
    "schema_version": 1,
    "title": "A report",
    "results": [{"name": "theirs", "scores": {"demo": {"problems": 6, "accuracy": "33.3"}}}],
}


def make_world(folder: Path) -> Path:
    """Make a folder with everything that the commands read."""
    from harness.demo import MODEL_PATH

    problems = demo_problems(6)
    write_responses(folder / "r.jsonl", limit=6, n=2)
    rows = [{"problem_id": p.id, "response": right(p), "index": 0} for p in problems]
    write_lines(folder / "own.jsonl", rows)
    write_table(folder / "own.parquet", rows)
    write_lines(folder / "qwen.jsonl", [qwen_row(p, [right(p)], [True]) for p in problems])
    lm = [lm_eval_row(p, right(p), which="strict", score=1.0) for p in problems]
    write_lines(folder / "lm.jsonl", lm)
    write_table(folder / "light.parquet", [lighteval_row(p, [right(p)], 1.0) for p in problems])
    old = [old_lighteval_row(p, right(p), 1.0, as_text=True) for p in problems]
    write_table(folder / "old.parquet", old)
    pairs = [{"id": p.id, "gold": p.answer, "response": right(p)} for p in problems]
    write_lines(folder / "pairs.jsonl", pairs)
    data = [{"prompt": p.question, "reasoning": "It is so.", "answer": p.answer} for p in problems]
    write_lines(folder / "rows.jsonl", data)
    (folder / "rows.json").write_text(json.dumps(data), encoding="utf-8")
    write_table(folder / "rows.parquet", data)
    asked = [[{"role": "user", "content": row["prompt"]}] for row in data]
    told = [{"role": "assistant", "content": "It is \\boxed{1}."}]
    write_lines(folder / "turns.jsonl", [{"messages": [*turns, *told]} for turns in asked])
    verl = [{"prompt": turns, "reward_model": {"ground_truth": "1"}} for turns in asked]
    write_table(folder / "verl.parquet", verl)
    table = "".join(f'"{row["prompt"]}",{row["answer"]}\n' for row in data)
    (folder / "rows.csv").write_text(f"question,answer\n{table}", encoding="utf-8")
    spec = {"model": "m", "benchmarks": ["demo"], "limit": 6, "sampling": {"max_tokens": 9}}
    (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    (folder / "gsm/gsm8k").mkdir(parents=True)
    row = {"question": "q", "answer": "#### 1", "idx": 0}
    write_lines(folder / "gsm/gsm8k/test.jsonl", [row, {**row, "idx": 1}])
    shutil.copytree(MODEL_PATH, folder / "model")
    with working_in(folder):
        for name in ("v1", "v2"):
            drawn = run_command([*EVAL, "--name", name, "--seed", name[1:]])
            assert drawn.code == 0, drawn
        built = run_command(["data", "build", "rows.jsonl", "--style", "boxed", "-o", "built"])
        assert built.code == 0, built
    for run in folder.glob("results/runs/v1/*"):
        (run / "lineage.json").write_text(json.dumps(LINEAGE), encoding="utf-8")
    (folder / "results/published").mkdir()
    (folder / "results/published/p.json").write_text(json.dumps(PUBLISHED), encoding="utf-8")
    return folder


# --- the commands ---------------------------------------------------------------------------

EVAL = "eval --engine replay --responses r.jsonl --benchmarks demo --limit 6".split()
RUNS = ("results/*/*/*/*", "results/*/*")
JUDGE = "--audit judge --judge-url http://127.0.0.1:9/v1 --judge-model m"
"""A judge behind a port at which nobody listens."""
FIXED = {"--engine": ENGINES, "--workers": ("1", "2", "0", "x"), "--replicas": ("0", "1", "x")}
"""What else would start something large, or something outside this world."""
COUNTS = ("0", "1", "2", "-1", "x", "demo=2", "gsm8k=1", "1e3", "", "=", "demo=", "9" * 25, "٣")


@dataclass(frozen=True, slots=True)
class Asked:
    """A command line, the files that it reads, and how often it is drawn."""

    words: str
    files: tuple[str, ...]
    weight: int = 4
    slow: bool = False
    """Whether it needs libraries that take seconds to import, or processes of its own."""


COMMANDS = (
    Asked("show v1", RUNS),
    Asked("show v1 --wrong", RUNS),
    Asked("show v1 --problem demo/test-0001", RUNS),
    Asked("table", RUNS),
    Asked("table --cost", RUNS),
    Asked("table --write", RUNS, 1),
    Asked("diff v1 v2", RUNS),
    Asked("diff v1 theirs", RUNS),
    Asked("diff v1 v2 --margin 2 --gate same", RUNS),
    Asked("diff v1,v2 theirs", RUNS, 1),
    Asked("diff v1 v2 theirs", RUNS, 1),
    Asked("rank v1 v2", RUNS),
    Asked("rank --base v1 v2", RUNS, 1),
    Asked("list", RUNS, 2),
    Asked("score own.jsonl --benchmark demo", ("own.jsonl",)),
    Asked("score own.parquet --benchmark demo", ("own.parquet",)),
    Asked("score qwen.jsonl --benchmark demo", ("qwen.jsonl",)),
    Asked("score lm.jsonl --benchmark demo", ("lm.jsonl",)),
    Asked("score light.parquet --benchmark demo", ("light.parquet",)),
    Asked("score old.parquet --benchmark demo", ("old.parquet",)),
    Asked("grade pairs.jsonl -o out.jsonl", ("pairs.jsonl",)),
    Asked("grade pairs.jsonl -o -", ("pairs.jsonl",), 1),
    Asked(f"grade pairs.jsonl -o out.jsonl {JUDGE}", ("pairs.jsonl",), 2),
    Asked("show v1 --audit qwen-compat", RUNS, 1, slow=True),
    Asked(f"show v1 {JUDGE}", RUNS, 2),
    Asked(" ".join([*EVAL, "--name v3"]), ("r.jsonl",)),
    Asked(" ".join([*EVAL, "--name v1 --seed 1"]), RUNS),
    Asked(" ".join([*EVAL, "--spec spec.json"]), ("spec.json",)),
    Asked(" ".join([*EVAL, "--estimate"]), ("r.jsonl", *RUNS)),
    Asked("eval --model m --benchmarks demo --engine scripted", ()),
    Asked("data verify gsm8k --data gsm", ("gsm/*/*",), 1),
    Asked("regrade v1", RUNS, 1, slow=True),
    Asked("check-determinism " + " ".join(EVAL[1:]), ("r.jsonl",), 1),
    Asked("report v1 v2 -o out.html", RUNS, 1, slow=True),
    Asked("data build rows.jsonl --style boxed -o out", ("rows.jsonl",), 1, slow=True),
    Asked("data build rows.json --style gsm8k -o out", ("rows.json",), 1, slow=True),
    Asked("data build rows.parquet --style boxed -o out", ("rows.parquet",), 1, slow=True),
    Asked("data build turns.jsonl --style boxed -o out", ("turns.jsonl",), 1, slow=True),
    Asked("data build verl.parquet --style boxed -o out", ("verl.parquet",), 1, slow=True),
    Asked(
        "data build rows.csv --style boxed -o out --question-column question",
        ("rows.csv",),
        1,
        slow=True,
    ),
    Asked("data build rows.jsonl --style boxed -o built", ("built/*",), 1, slow=True),
    Asked(
        "train --trainer verl-grpo-v4 --model model --data built --output out --dry-run",
        ("model/*", "built/*"),
        2,
        slow=True,
    ),
    Asked(
        "train --trainer verl-grpo-v5 --model model --data built --output out --seeds 1,2 "
        "--keep-weights all --dry-run",
        ("model/*", "built/*"),
        1,
        slow=True,
    ),
    Asked(
        "train --trainer verl-sft --model model --data built --output out --dry-run",
        ("model/*", "built/*"),
        1,
        slow=True,
    ),
)
TEXTS = (
    "", " ", ".", "..", "../x", "a/b", "/", "~", "-", "--", "demo", "v1", "v2", "theirs",
    "published:theirs", "ü", "a" * 300, "a" * 5000, "\udcff", "\ud800", "\x1b[2J", "a\nb",
    "demo/test-0001", "my models/qwen", "owner/name", "${a}", "{}", "[", "null", "%s%n", "*",
    "gsm8k", "boxed", "http://a:b", "http://[", "1",
)  # fmt: skip
NUMBERS = (
    "0", "-1", "1", "2", "3", "1.5", "1e308", "1e999", "-1e-320", "nan", "inf", "-inf", "x", "",
    str(2**31), str(2**63), str(2**64), "9" * 400, "1_0", "٣", "0x1", " 1",
)  # fmt: skip
PATHS = (
    "r.jsonl", "own.parquet", "results", "results/runs/v1", "none", "none/none", ".", "", "-",
    "out",    "/dev/null", "/dev/full", "a" * 300, "spec.json", "model", "built", "\udcff", "loop",
)  # fmt: skip
PAIRS = ("a=1", "a=", "=", "a", "a=[", "a={}", "a=" + "[" * 5000, "a=1e999", "a=NaN", "a=\udcff")
SETTINGS = (
    "data.train_batch_size=-1", "data.train_batch_size=0", "actor_rollout_ref.actor.optim.lr=nan",
    "actor_rollout_ref.actor.optim.lr=-1", "optim.lr=1e999", "data.max_response_length=x",
    "data.max_response_length=99999999999999999999", "a=${b}", "data.max_length=0",
    "trainer.total_epochs=-3", "actor_rollout_ref.rollout.n=0", "data.seed='", "optim.lr=[1]",
    "actor_rollout_ref.rollout.temperature={a:1}", "actor_rollout_ref.rollout.n=1.5",
    "trainer.save_freq=0", "actor_rollout_ref.rollout.gpu_memory_utilization=9",
)  # fmt: skip


def options_of(words: Sequence[str]) -> list[click.Option]:
    """Return the options of the command that some words begin with."""
    context = click.Context(cli.cli)
    command: click.Command | None = cli.cli.get_command(context, words[0])
    if isinstance(command, click.Group):
        command = command.get_command(context, words[1])
    assert command is not None
    return [one for one in command.params if isinstance(one, click.Option) and one.opts]


def random_flags(random: Random, words: Sequence[str]) -> list[str]:
    """Return up to four options with values that fit their kinds, or nearly."""
    flags: list[str] = []
    options = options_of(words)
    for option in random.sample(options, k=min(len(options), random.choice((0, 0, 1, 1, 2, 4)))):
        name = option.opts[-1]
        if option.is_flag or (option.name == "benchmarks" and words[0] == "train"):
            flags.append(name)
        else:
            flags += [name, random.choice(_values(option))]
    return flags


def _values(option: click.Option) -> Sequence[str]:
    name = option.opts[-1]
    if name in FIXED:
        return FIXED[name]
    if name == "--n":
        return COUNTS
    if name == "--set":
        return SETTINGS
    if option.multiple and (option.metavar or "").upper().startswith("KEY"):
        return PAIRS
    if isinstance(option.type, click.Choice):
        return (*map(str, option.type.choices), *TEXTS[:3])
    if isinstance(option.type, click.Path):
        return PATHS
    if isinstance(option.type, click.INT.__class__ | click.FLOAT.__class__):
        return NUMBERS
    return TEXTS


# --- tampering ------------------------------------------------------------------------------

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**30, 0.5, -0.0, 1e308, float("nan"),
    float("inf"), "", " ", "\x00", "\ud800", "a" * 50_000, "../../x", "\x1b[2J", "9" * 5000, [], {},
    [[]], [None], {"": {}}, ["a"] * 1000, "v1", "complete", "1e999", "2026-01-01T00:00:00Z",
)  # fmt: skip
TEXT_VALUES = ("9" * 5000, "1e999", "-", "[" * 200_000, '{"a":' * 200_000, "[" * 300 + "]" * 300)
"""What stands for a value in JSON that Python would not write."""


def tamper(random: Random, path: Path) -> None:
    """Spoil a file in a random way."""
    how = random.choice(
        (
            _values_changed,
            _values_changed,
            _values_changed,
            _bytes_changed,
            _bytes_changed,
            _replaced,
        )
    )
    how(random, path)


def _values_changed(random: Random, path: Path) -> None:
    """Change some values of a file of JSON or JSON lines, or of a table's cells."""
    if path.suffix == ".parquet":
        return _table_changed(random, path)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        whole = path.suffix == ".json"
        number = random.randrange(max(1, len([line for line in lines if line])))
        value = json.loads("\n".join(lines) if whole else lines[number])
    except (OSError, ValueError):
        return _bytes_changed(random, path)
    for _ in range(random.choice((1, 1, 2, 4))):
        value = _changed(random, value)
    text = json.dumps(value).replace('"@@"', random.choice(TEXT_VALUES))
    lines = [text] if whole else [*lines[:number], text, *lines[number + 1 :]]
    path.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")


def _changed(random: Random, value: Any) -> Any:
    """Return a value with a random one inside it replaced, removed, or joined by another."""
    new = random.choice((*VALUES, "@@"))
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        what = random.random()
        if what < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if what < 0.2:
            return {**value, random.choice(("new", "", "\ud800", key + " ")): new}
        return {**value, key: _changed(random, value[key])}
    if isinstance(value, list) and value and random.random() < 0.9:
        place = random.randrange(len(value))
        if random.random() < 0.2:
            return [*value[:place], *value[place + 1 :]]
        return [*value[:place], _changed(random, value[place]), *value[place + 1 :]]
    return new


def _table_changed(random: Random, path: Path) -> None:
    """Write a table in which a column has another type, is missing, or is nested."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pq.read_table(path).to_pylist()
    name = random.choice(list(rows[0]))
    value = random.choice((None, 1, 2**62, 0.5, True, "x", b"\xff", [1], {"a": 1}, [["x"]], []))
    if random.random() < 0.2:
        rows = [{key: cell for key, cell in row.items() if key != name} for row in rows]
    elif random.random() < 0.1:
        rows = []
    else:
        rows = [{**row, name: value} for row in rows]
    pq.write_table(pa.Table.from_pylist(rows), path)


def _bytes_changed(random: Random, path: Path) -> None:
    """Cut a file off, or change some of its bytes."""
    content = bytearray(path.read_bytes() or b"x")
    place = random.randrange(len(content))
    what = random.randrange(5)
    if what == 0:
        content = content[:place]
    elif what == 1:
        content[place:place] = random.choice((b"\x00", b"\xff\xfe", b"\n", b"{", b'"', b"PAR1"))
    elif what == 2:
        content = content[place:]
    elif what == 3:
        for _ in range(8):
            content[random.randrange(len(content))] = random.randrange(256)
    else:
        content += content[place:]
    path.write_bytes(bytes(content))


def _replaced(random: Random, path: Path) -> None:
    """Put something else in the file's place."""
    path.unlink()
    what = random.randrange(7)
    if what == 0:
        path.mkdir()
    elif what == 1:
        path.symlink_to(path.name)  # a loop
    elif what == 2:
        path.symlink_to("nowhere")
    elif what == 3:
        path.write_bytes(b"")
    elif what == 4:
        path.write_bytes(random.randbytes(3000))
    elif what == 5:
        path.write_text("[" * 200_000, encoding="utf-8")
    # else: it is gone


def _sum_up_again(folder: Path) -> None:
    """Write the sums of spoilt files where they are recorded, so that they are read at all."""
    recorded = [
        (record, "verdicts_sum", record.parent / "verdicts.jsonl")
        for record in folder.glob("results/runs/*/*/run.json")
    ]
    recorded += [
        (folder / "built/card.json", name, folder / "built" / name)
        for name in ("train.parquet", "test.parquet", "train.jsonl", "test.jsonl")
    ]
    for record, key, path in recorded:
        with suppress(OSError, ValueError, AttributeError, LookupError, TypeError, RecursionError):
            fields = json.loads(record.read_text(encoding="utf-8"))
            held = fields if key in fields else fields["files"]
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            if key in held and held[key] != found:
                held[key] = found
                record.write_text(json.dumps(fields), encoding="utf-8")


# --- running --------------------------------------------------------------------------------


@dataclass(slots=True)
class Ran:
    """How a command ended."""

    code: int
    output: str
    faults: list[str] = field(default_factory=list)
    """What is wrong with how it ended."""

    @property
    def kind(self) -> str:
        """What tells this failure from others: the last line of our code that it went through."""
        ours = [line for line in "\n".join(self.faults).splitlines() if 'File "' in line]
        product = [line for line in ours if "/tests/" not in line and "site-packages" not in line]
        said = self.faults[0].splitlines()[0] if self.faults else ""
        return f"{said} {(product or ours or [''])[-1].strip()}"


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Work in a folder, without the network, and with nothing set by who runs this."""
    before, environment = Path.cwd(), dict(os.environ)
    os.environ.update(OFFLINE)
    for name in ("HARNESS_RESULTS", "HARNESS_DATA", "OPENAI_BASE_URL"):
        os.environ.pop(name, None)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environment)


def run_command(words: Sequence[str]) -> Ran:
    """Run a command line in this process; say what is wrong with how it ended."""
    output, threads = io.StringIO(), list[str]()
    before, hook = sys.argv, threading.excepthook
    sys.argv = ["harness", *words]
    threading.excepthook = lambda failed: threads.append(
        "".join(traceback.format_exception(failed.exc_type, failed.exc_value, failed.exc_traceback))
    )
    try:
        with redirect_stdout(output), redirect_stderr(output), alarmed(PATIENCE):
            message, code = cli._run()
    finally:
        sys.argv, threading.excepthook = before, hook
    ran = Ran(code, f"{output.getvalue()}\n{message}", threads)
    if code not in ALLOWED:
        ran.faults.insert(0, f"exit code {code}: {message}\n{_traceback_of(message)}")
    elif "Traceback" in ran.output:
        ran.faults.insert(0, f"a traceback is shown\n{ran.output}")
    elif code != 0 and not ran.output.strip():
        ran.faults.insert(0, f"exit code {code} and not a word")
    return ran


def _traceback_of(message: str) -> str:
    """Return what was written of a fault, and remove it."""
    name = next((word for word in message.split() if "harness-fault-" in word), "").rstrip(":")
    path = Path(name)
    if not name or not path.is_file():
        return ""
    text = path.read_text(encoding="utf-8")
    path.unlink()
    return text


@contextmanager
def alarmed(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the main thread after some seconds."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it takes more than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True, slots=True)
class Case:
    """A command line in a world with spoilt files."""

    words: list[str]
    spoilt: list[str]
    ran: Ran


def run_case(random: Random, world: Path, commands: Sequence[Asked] = COMMANDS) -> Case:
    """Run a random command with random flags on a copy of a world with files that are spoilt."""
    asked = random.choices(commands, weights=[one.weight for one in commands])[0]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        folder = Path(temporary) / "world"
        shutil.copytree(world, folder, symlinks=True)
        (folder / "loop").symlink_to("loop")
        there = sorted(
            path for pattern in asked.files for path in folder.glob(pattern) if path.is_file()
        )
        chosen = random.sample(there, k=min(len(there), random.choice((0, 1, 1, 1, 2))))
        for path in chosen:
            tamper(random, path)
        if random.random() < 0.7:
            _sum_up_again(folder)
        words = asked.words.split()
        words += random_flags(random, words)
        with working_in(folder):
            ran = run_command(words)
        spoilt = [path.relative_to(folder).as_posix() for path in chosen]
    return Case(words, spoilt, ran)


@click.command()
@click.option("--seconds", type=float, default=600.0, show_default=True)
@click.option("--seed", type=int, help="Seed of the cases.  [default: drawn, and printed]")
@click.option("--only", type=int, help="Run only the case with this number.")
@click.option("--command", help="Run only cases of commands that begin with this text.")
def main(seconds: float, seed: int | None, only: int | None, command: str | None) -> None:
    """Run cases until the time is over; list the different failures at the end."""
    seed = SystemRandom().randrange(10**6) if seed is None else seed
    click.echo(f"seed {seed}, for {seconds:.0f} s")
    commands = [one for one in COMMANDS if one.words.startswith(command or "")]
    failures: dict[str, str] = {}
    codes = dict.fromkeys(ALLOWED, 0)
    with tempfile.TemporaryDirectory(prefix="fuzz-world-") as temporary:
        world = make_world(Path(temporary))
        end, number = time.monotonic() + seconds, only or 0
        while time.monotonic() < end:
            case = run_case(Random(f"{seed}/{number}"), world, commands)
            codes[case.ran.code] = codes.get(case.ran.code, 0) + 1
            if case.ran.faults and case.ran.kind not in failures:
                told = (
                    f"--seed {seed} --only {number}: {case.words}\nspoilt: {case.spoilt}\n"
                    + "\n".join(case.ran.faults)
                )
                failures[case.ran.kind] = told
                click.echo(f"\n{told.encode('ascii', 'backslashreplace').decode()}")
            if only is not None:
                click.echo(ascii(case))
                break
            number += 1
    ended = ", ".join(f"{count} with {code}" for code, count in sorted(codes.items()))
    click.echo(f"{sum(codes.values())} cases ended: {ended}; {len(failures)} different failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
