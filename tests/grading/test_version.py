"""The verdicts are pinned: one that changes fails here until the version says so.

Pinned are the verdicts on our own corpus and on every benchmark's golds, and the values of the
rewards. What is pinned holds ids and verdicts, and no problem's text. The six benchmarks that are
downloaded are checked where HARNESS_DATA names the folder of their files.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections import defaultdict
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import pytest
from test_corpus import CASES, Row

from benchmarks import BENCHMARKS, STANDARD, Conventions
from benchmarks.source import load_problems
from harness.grading import Grader, Undecided, Verdict, grade_by_rules, version
from harness.grading.compat.rewards import REWARDS, VERSIONS
from harness.grading.version import (
    EQUIVALENT,
    GRADER,
    LIBRARIES,
    comparable_version,
    equivalent_versions,
    grader_version,
    sources_sum,
)

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "verdicts"
AT_HAND = ("demo", *(STANDARD if "HARNESS_DATA" in os.environ else ()))
"""The benchmarks whose golds are checked here; what is pinned of others stays as it is."""
SHOWN = 40

Verdicts = dict[str, tuple[str, ...]]
"""By id, such as ``gsm8k/7`` or ``corpus/3f09a1c2``: one verdict for each way of asking."""


def case_id(case: Row) -> str:
    """Return an id by content: a case that is added or moved changes no other's."""
    said = json.dumps([case["gold"], case.get("answer"), case.get("response")])
    return f"corpus/{hashlib.sha256(said.encode()).hexdigest()[:8]}"


def source_of(each: str) -> str:
    return each.partition("/")[0]


class Gold(NamedTuple):
    """A gold, and the gold of the next problem of its benchmark."""

    id: str
    answer: str
    following: str
    conventions: Conventions


@cache
def golds() -> list[Gold]:
    """Return the golds of every benchmark at hand."""
    found = []
    for name in AT_HAND:
        problems = load_problems(BENCHMARKS[name])
        for problem, following in zip(problems, [*problems[1:], problems[0]], strict=True):
            how = BENCHMARKS[name].conventions_for(problem)
            found.append(Gold(problem.id, problem.answer, following.answer, how))
    return found


# --- what is found now ----------------------------------------------------------------------


def verdicts_now(grader: Grader) -> Verdicts:
    """Grade the corpus; and, as `data verify` does, each gold boxed in a response and in other
    type, and the next problem's gold as an answer to this one.

    What the rules leave undecided of the last is not asked: one such pair takes ten seconds, and
    its verdict would be the machine's. The corpus has pairs for math-verify that are quick.
    """
    asked = {
        case_id(case): [
            grader.submit(case["response"], case["gold"])
            if "response" in case
            else grader.submit_answer(case["answer"], case["gold"])
        ]
        for case in CASES
    }
    for each, gold, _, how in golds():
        asked[each] = [
            grader.submit(rf"Therefore the answer is $\boxed{{{gold}}}$.", gold, conventions=how),
            grader.submit_answer(rf"\displaystyle {gold}", gold, conventions=how),
        ]
    found = {each: tuple(_text(f.result()) for f in futures) for each, futures in asked.items()}
    for each, gold, following, how in golds():
        found[each] += (_text(_by_rules(following, gold, how)),)
    return found


def _by_rules(answer: str, gold: str, conventions: Conventions) -> Verdict | Undecided:
    return grade_by_rules(rf"\boxed{{{answer}}}", gold, conventions=conventions)


def _text(verdict: Verdict | Undecided) -> str:
    if isinstance(verdict, Undecided):
        return "undecided by rules"
    return f"{verdict.outcome} by {verdict.rule}" if verdict.rule else str(verdict.outcome)


def values_now(name: str) -> Verdicts:
    """Ask a reward for the corpus' answers and for each gold, in the form that it reads."""
    reward = REWARDS[name]
    written = "#### {}" if name == "gsm8k-strict" else r"So it is \boxed{{{}}}."

    def value(answer: str, gold: str) -> str:
        return str(reward(written.format(answer), gold))

    found = {
        case_id(case): (
            str(reward(case["response"], case["gold"]))
            if "response" in case
            else value(case["answer"], case["gold"]),
        )
        for case in CASES
    }
    return found | {
        each: (value(gold, gold), value(following, gold)) for each, gold, following, _ in golds()
    }


# --- what was pinned ------------------------------------------------------------------------


def read_pinned(path: Path) -> tuple[str, Verdicts]:
    """Return the version that the verdicts were accepted under, and the verdicts."""
    first, *rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return first["version"], {each: tuple(row["verdicts"]) for row in rows for each in row["ids"]}


def write_pinned(path: Path, accepted_as: str, verdicts: Verdicts) -> None:
    """Write one row for each benchmark and what became of its golds, with their ids."""
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for each, found in verdicts.items():
        alike[source_of(each), found].append(each)
    rows = [{"version": accepted_as}] + [
        {"verdicts": found, "ids": sorted(ids)} for (_, found), ids in sorted(alike.items())
    ]
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def check(path: Path, accepted_as: str, now: Verdicts, *, where: str, update: bool) -> None:
    """Fail if a verdict is not as pinned; with ``update`` accept it, if the version was raised."""
    before, pinned = read_pinned(path) if path.is_file() else (accepted_as, {})
    changed = [each for each in now if each in pinned and now[each] != pinned[each]]
    if changed and (before == accepted_as or not update):
        listed = [f"  {each}: {pinned[each]} -> {now[each]}" for each in changed[:SHOWN]]
        pytest.fail(
            f"verdicts changed: raise {where}, say which in CHANGELOG.md, and accept them with "
            f"--update-golden. {len(changed)} of version {before} changed:\n" + "\n".join(listed)
        )
    here = {"corpus", *AT_HAND}
    elsewhere = {each: v for each, v in pinned.items() if source_of(each) not in here}
    if update:
        if elsewhere and before != accepted_as:
            pytest.fail("a new version is accepted with every benchmark at hand: set HARNESS_DATA")
        write_pinned(path, accepted_as, elsewhere | now)
    elif before != accepted_as:
        pytest.fail(f"pinned is version {before}; accept {accepted_as} with --update-golden")
    elif pinned.keys() != elsewhere.keys() | now.keys():
        pytest.fail("no verdict changed, but cases came or went: accept them with --update-golden")


def test_no_verdict_changes_without_a_new_version(
    grader: Grader, request: pytest.FixtureRequest
) -> None:
    check(
        GOLDEN / "grader.jsonl",
        GRADER,
        verdicts_now(grader),
        where="GRADER in harness/grading/version.py",
        update=request.config.getoption("--update-golden"),
    )


@pytest.mark.parametrize("name", VERSIONS)
def test_no_reward_changes_without_a_new_version(name: str, request: pytest.FixtureRequest) -> None:
    check(
        GOLDEN / f"{name}.jsonl",
        VERSIONS[name],
        values_now(name),
        where=f"VERSIONS[{name!r}] in harness/grading/rewards.py",
        update=request.config.getoption("--update-golden"),
    )


# --- the check itself -----------------------------------------------------------------------


def check_here(path: Path, accepted_as: str, *found: str, update: bool = False) -> None:
    now = {f"demo/{number}": (verdict,) for number, verdict in enumerate(found)}
    check(path, accepted_as, now, where="GRADER", update=update)


def test_a_changed_verdict_is_accepted_only_under_a_new_version(tmp_path: Path) -> None:
    path = tmp_path / "pinned.jsonl"
    check_here(path, "3", "correct", "wrong", update=True)
    check_here(path, "3", "correct", "wrong")
    listed = r"(?s)verdicts changed: raise GRADER.*demo/1: \('wrong',\) -> \('correct',\)"
    for accepted_as, update in (("3", False), ("3", True), ("4", False)):
        with pytest.raises(pytest.fail.Exception, match=listed):
            check_here(path, accepted_as, "correct", "correct", update=update)
    assert read_pinned(path) == ("3", {"demo/0": ("correct",), "demo/1": ("wrong",)})
    check_here(path, "4", "correct", "correct", update=True)
    assert read_pinned(path) == ("4", {"demo/0": ("correct",), "demo/1": ("correct",)})


def test_a_new_case_is_accepted_without_a_new_version(tmp_path: Path) -> None:
    path = tmp_path / "pinned.jsonl"
    check_here(path, "3", "correct", update=True)
    with pytest.raises(pytest.fail.Exception, match="came or went"):
        check_here(path, "3", "correct", "wrong")
    check_here(path, "3", "correct", "wrong", update=True)
    check_here(path, "3", "correct", "wrong")


def test_a_raised_version_is_accepted_before_it_counts(tmp_path: Path) -> None:
    path = tmp_path / "pinned.jsonl"
    check_here(path, "3", "correct", update=True)
    with pytest.raises(pytest.fail.Exception, match="pinned is version 3; accept 4"):
        check_here(path, "4", "correct")


def test_what_is_not_at_hand_stays_pinned_under_its_version(tmp_path: Path) -> None:
    path = tmp_path / "pinned.jsonl"
    write_pinned(path, "3", {"demo/0": ("correct",), "elsewhere/7": ("wrong",)})
    check_here(path, "3", "correct", "wrong", update=True)
    assert read_pinned(path)[1]["elsewhere/7"] == ("wrong",)
    with pytest.raises(pytest.fail.Exception, match="set HARNESS_DATA"):
        check_here(path, "4", "correct", "correct", update=True)


# --- versions -------------------------------------------------------------------------------


def test_the_libraries_are_those_that_the_package_pins() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = dict(each.split("==") for each in project["dependencies"] if "==" in each)
    assert pinned.items() >= LIBRARIES.items()


def test_another_library_is_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def installed(**others: str) -> str:
        monkeypatch.setattr(metadata, "version", lambda name: (dict(LIBRARIES) | others)[name])
        return grader_version.__wrapped__()

    assert installed() == GRADER
    assert installed(sympy="1.13.0") == f"{GRADER} (sympy 1.13.0)"
    assert comparable_version(installed(sympy="1.13.0")) != GRADER


def test_equivalent_versions_lead_to_one_that_is_not_replaced() -> None:
    rewards = {f"reward:{name}+{number}" for name, number in VERSIONS.items()}
    for past in EQUIVALENT:
        assert past not in {GRADER, *rewards}
        assert comparable_version(past) not in EQUIVALENT
        assert past in equivalent_versions(comparable_version(past))
    assert equivalent_versions("0+unheard-of") == ["0+unheard-of"]


def test_every_builtin_reward_has_a_version() -> None:
    assert set(VERSIONS) == set(REWARDS)


def test_the_sources_sum_is_of_the_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sum_of(grading: dict[str, str], name: str) -> str:
        folder = tmp_path / name / "grading"
        for file, text in grading.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text, encoding="utf-8")
        monkeypatch.setattr(version, "__file__", str(folder / "version.py"))
        return sources_sum.__wrapped__()

    before = sum_of({"rules.py": "a", "units.py": "b"}, "before")
    assert sum_of({"answers/rules.py": "a", "answers/units.py": "b"}, "moved") == before
    assert sum_of({"rules.py": "a", "units.py": "c"}, "changed") != before
