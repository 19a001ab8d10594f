"""How much memory a training needs, beside what its plan calculates.

    python tests/performance/training_memory.py -- --trainer verl-grpo-v4 --model demo \\
        --data demo --output /tmp/out --steps 3

Runs the command `train` with what follows ``--``, and adds up the memory of all its processes
twice a second. A page that several processes share is counted in parts (Linux's "proportional set
size"), so that the sum is what the machine really gives.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import click
import psutil
from made import environment

GIB = 2**30


@dataclass(slots=True)
class Peak:
    """The moment at which a training's processes held the most."""

    total: int = 0
    after: float = 0
    by_name: dict[str, int] = field(default_factory=dict)


def held(processes: Iterable[psutil.Process]) -> dict[str, int]:
    """Return the bytes that processes hold, by what each is."""
    found: dict[str, int] = {}
    for process in processes:
        with suppress(psutil.Error):
            name = " ".join(process.cmdline())[:40] or process.name()
            found[name] = found.get(name, 0) + int(process.memory_full_info().pss)
    return found


def watch(process: subprocess.Popen[bytes]) -> Peak:
    """Wait for the process to end and return the peak of its tree."""
    began, peak, top = time.monotonic(), Peak(), psutil.Process(process.pid)
    while process.poll() is None:
        now: dict[str, int] = {}
        with suppress(psutil.NoSuchProcess):
            now = held([top, *top.children(recursive=True)])
        if sum(now.values()) > peak.total:
            peak = Peak(sum(now.values()), time.monotonic() - began, now)
        time.sleep(0.5)
    return peak


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def main(options: tuple[str, ...]) -> None:
    """Print what the plan says of the memory, train, and print what was held."""
    train = [sys.executable, "-m", "harness", "train", *options]
    plan = subprocess.run(
        [*train, "--dry-run"], env=environment(), stdout=subprocess.PIPE, text=True, check=True
    )
    for line in plan.stdout.partition("\n\n")[0].splitlines():
        if "GiB" in line:
            click.echo(f"plan: {line}")
    began = time.monotonic()
    with subprocess.Popen(train, env=environment()) as process:
        peak = watch(process)
    click.echo(f"{time.monotonic() - began:.0f} s, exit status {process.returncode}")
    click.echo(f"peak: {peak.total / GIB:.2f} GiB after {peak.after:.0f} s")
    for name, size in sorted(peak.by_name.items(), key=lambda item: -item[1])[:12]:
        click.echo(f"  {size / GIB:6.2f} GiB  {name}")
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()
