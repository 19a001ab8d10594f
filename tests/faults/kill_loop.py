"""Kill -9, again and again: every run ends complete and equal to the undisturbed one.

    python tests/faults/kill_loop.py --kills 50 --seed 0 --victims driver,engine,grader,replica

A run of the real command line is begun; at a drawn moment (of its time, of its journal, of its
last phase, or while it writes a file) a process of the drawn kind is killed. If that ended
the run, the same command is given again, and may be killed again, until the run is complete.
Then it is compared with a run that nobody disturbed. Exit status 1 if anything differs, hangs,
is left running or is not told in one line.

Drivers and grading workers are killed while saved responses are played back slowly, which
costs seconds; engines under vLLM and replicas under Ray, where every start takes its while.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import click
from evaluation import Attempt, Ended, Evaluation, computed, replayed
from same_run import differences

from harness.engines import ENGINES

SHARES = {"driver": 25, "grader": 13, "engine": 8, "replica": 4}
"""How many of fifty kills are whose."""
HOSTS = {"grader": "slow-replay", "engine": "vllm", "replica": "ray"}
"""Under which engine a kind of process is killed; drivers are killed under each."""
DRIVERS_ELSEWHERE = 6
"""One driver in so many is killed under each about the costly engines."""
MOMENTS = {
    "driver": ("time", "time", "journal", "journal", "finish", "file"),
    "grader": ("journal", "finish"),
    "engine": ("time", "journal"),
    "replica": ("time", "journal"),
}
MOST_KILLS_A_RUN = 4
MOST_MISSED = 3
"""Moments in a row that may come too late, for every kill that is asked for."""
FILE_SECONDS = 0.003
"""Over how long the moment is spread after a file was seen being written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The undisturbed run."""

    results: Path
    seconds: float
    journal: int
    """Bytes."""
    finish: float
    """Seconds from the last sample to the end of the process."""
    seen: Mapping[str, float]
    """When a process of each kind was seen first, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When to kill: ``share`` of the time, journal or last phase has passed."""

    kind: str
    share: float

    def __str__(self) -> str:
        return f"{self.kind} {self.share:.2f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One process that was killed, and what came of it."""

    victim: str
    moment: Moment
    seconds: float
    """Into the attempt."""
    stored: float
    """Share of the journal that was written."""
    ended: Ended

    def __str__(self) -> str:
        return (
            f"{self.victim:8} at {self.moment!s:13} ({self.seconds:5.2f} s, {self.stored:4.0%} "
            f"stored): exit {self.ended.code:3} at {self.ended.seconds:.1f} s"
        )


def undisturbed(evaluation: Evaluation, results: Path) -> Whole:
    """Run to the end, and learn how long each part takes."""
    attempt = evaluation.begin(results)
    seen: dict[str, float] = {}
    sizes: list[tuple[float, int]] = []
    while attempt.running:
        for kind in HOSTS:
            if kind not in seen and attempt.victims(kind):
                seen[kind] = attempt.seconds
        sizes.append((attempt.seconds, attempt.journaled()))
        time.sleep(0.01)
    ended = attempt.end()
    if ended.code != 0:
        raise click.ClickException(f"the undisturbed run failed:\n{ended.said}")
    journal = attempt.journaled()
    last = next(seconds for seconds, size in sizes if size == journal)
    return Whole(
        results=results,
        seconds=ended.seconds,
        journal=journal,
        finish=ended.seconds - last,
        seen={"driver": 0.0, **seen},
    )


class Loop:
    """The kills so far, and whatever was wrong."""

    def __init__(self, random: Random, say: Callable[[str], None]) -> None:
        self._random, self._say = random, say
        self.kills: list[Kill] = []
        self.missed = self.runs = 0
        self.faults: list[str] = []

    def disturb(self, whole: Whole, evaluation: Evaluation, victims: Sequence[str]) -> None:
        """Kill these, in this order, in as many runs as it takes."""
        owed = deque(victims)
        most_missed = MOST_MISSED * len(owed)
        missed = -self.missed
        while owed and missed + self.missed <= most_missed:
            self._one_run(whole, evaluation, owed)
        if owed:
            self.faults.append(f"{len(owed)} kills came too late, every time: {', '.join(owed)}")

    def _one_run(self, whole: Whole, evaluation: Evaluation, owed: deque[str]) -> None:
        self.runs += 1
        results = Path(tempfile.mkdtemp(prefix=f"{evaluation.name}-"))
        faults: list[str] = []
        kills: list[Kill] = []
        for _ in range(min(len(owed), self._random.randint(1, MOST_KILLS_A_RUN))):
            kill, ended = self._attempt(whole, evaluation.begin(results), owed[0])
            faults += ended.faults(kill.victim if kill else None)
            if kill is None:
                self.missed += 1
                break
            kills.append(kill)
            owed.popleft()
            if ended.code == 0:
                break
        last = evaluation.begin(results).end()
        faults += [*last.faults(None), *differences(results, whole.results)]
        self._tell(kills, last, faults, results)

    def _attempt(self, whole: Whole, attempt: Attempt, victim: str) -> tuple[Kill | None, Ended]:
        """Kill a victim at a drawn moment, and wait for the end; no Kill if it came first."""
        moment = draw(self._random, victim, whole)
        due = _due(moment, whole, attempt)
        while attempt.running:
            found = attempt.victims(victim) if due() else []
            if found:
                chosen = self._random.choice(sorted(found, key=lambda process: process.pid))
                seconds, stored = attempt.seconds, attempt.journaled() / whole.journal
                chosen.kill()
                ended = attempt.end()
                kill = Kill(
                    victim=victim, moment=moment, seconds=seconds, stored=stored, ended=ended
                )
                return kill, ended
            if moment.kind != "file":  # which is there for a moment only
                time.sleep(0.002)
        return None, attempt.end()

    def _tell(self, kills: list[Kill], last: Ended, faults: list[str], results: Path) -> None:
        for number, kill in enumerate(kills, start=1):
            resumed = "killed again" if number < len(kills) else f"complete {last.seconds:.1f} s on"
            self._say(f"{len(self.kills) + number:3} {kill}; {resumed}")
        self.kills += kills
        for fault in faults:
            self._say(f"    FAULT {fault}")
            self.faults.append(fault)
        if faults:
            self._say(f"    kept in {results}")
        else:
            shutil.rmtree(results)


def draw(random: Random, victim: str, whole: Whole) -> Moment:
    """Draw when to kill; by time, not before such a process was there in the undisturbed run."""
    kind = random.choice(MOMENTS[victim])
    least = whole.seen.get(victim, 0.0) / whole.seconds if kind == "time" else 0.0
    return Moment(kind=kind, share=random.uniform(least, 1.0))


def _due(moment: Moment, whole: Whole, attempt: Attempt) -> Callable[[], bool]:
    """Return what says whether the moment has come."""
    if moment.kind == "time":
        return lambda: attempt.seconds >= moment.share * whole.seconds
    if moment.kind == "journal":
        kept = attempt.journaled()
        size = kept + moment.share * (whole.journal - kept)
        return lambda: attempt.journaled() >= size
    wait = moment.share * (whole.finish if moment.kind == "finish" else FILE_SECONDS)

    def begun() -> bool:
        if moment.kind == "finish":
            return attempt.journaled() >= whole.journal
        return attempt.writes_a_file()

    first: list[float] = []

    def due() -> bool:
        if not first and begun():
            first.append(time.monotonic())
        return bool(first) and time.monotonic() - first[0] >= wait

    return due


def assigned(kills: int, kinds: Sequence[str], random: Random) -> dict[str, list[str]]:
    """Return by engine whom to kill under it, in a drawn order.

    >>> {engine: len(victims) for engine, victims in assigned(50, list(SHARES), Random(0)).items()}
    {'vllm': 12, 'ray': 8, 'slow-replay': 30}
    """
    total = sum(SHARES[kind] for kind in kinds)
    counts = {kind: kills * SHARES[kind] // total for kind in kinds}
    counts[kinds[0]] += kills - sum(counts.values())
    victims: dict[str, list[str]] = {}
    drivers = counts.pop("driver", 0)
    for kind, count in counts.items():
        victims.setdefault(HOSTS[kind], []).extend([kind] * count)
    for engine in [engine for engine in victims if engine != "slow-replay"]:
        elsewhere = drivers // DRIVERS_ELSEWHERE
        victims[engine] += ["driver"] * elsewhere
    placed = sum(engine.count("driver") for engine in victims.values())
    victims["slow-replay"] = victims.pop("slow-replay", []) + ["driver"] * (drivers - placed)
    for found in victims.values():
        random.shuffle(found)
    return {engine: found for engine, found in victims.items() if found}


def evaluations(folder: Path) -> dict[str, Callable[[], Evaluation]]:
    """Return how each evaluation is made."""
    return {
        "slow-replay": lambda: replayed(folder / "responses.jsonl"),
        "vllm": lambda: computed("vllm"),
        "ray": lambda: computed("ray", "--replicas", "2"),
    }


def kill_loop(
    kills: int, seed: int, kinds: Sequence[str], folder: Path, say: Callable[[str], None]
) -> Loop:
    """Kill as often as asked and return what came of it."""
    random = Random(seed)
    loop = Loop(random, say)
    for engine, victims in assigned(kills, kinds, random).items():
        evaluation = evaluations(folder)[engine]()
        whole = undisturbed(evaluation, folder / engine)
        say(
            f"{engine}: {evaluation.samples} samples, undisturbed in {whole.seconds:.1f} s, "
            f"the last {whole.finish:.1f} s after the last sample"
        )
        loop.disturb(whole, evaluation, victims)
    return loop


def _kinds(asked: str) -> list[str]:
    kinds = asked.split(",")
    unknown = set(kinds) - set(SHARES)
    if unknown:
        raise click.UsageError(f"--victims: {unknown.pop()}; there are {', '.join(SHARES)}")
    if "replica" in kinds and "ray" not in ENGINES:
        click.echo("replica: left out, there is no ray engine here")
        kinds.remove("replica")
    return kinds


@click.command()
@click.option("--kills", default=50, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True)
@click.option("--victims", default=",".join(SHARES), show_default=True)
def main(kills: int, seed: int, victims: str) -> None:
    """Kill random processes of evaluations, and see whether anything comes of it."""
    with tempfile.TemporaryDirectory() as name:
        began = time.monotonic()
        loop = kill_loop(kills, seed, _kinds(victims), Path(name), click.echo)
        counts = Counter(kill.victim for kill in loop.kills)
        click.echo(
            f"{len(loop.kills)} kills ({', '.join(f'{n} {who}' for who, n in counts.items())}) in "
            f"{loop.runs} runs, {time.monotonic() - began:.0f} s; {loop.missed} came too late; "
            f"{len(loop.faults)} faults"
        )
    sys.exit(1 if loop.faults else 0)


if __name__ == "__main__":
    main()
