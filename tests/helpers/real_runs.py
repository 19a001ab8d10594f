"""Evaluations of the demo model by the command line, as a user runs them, watched from outside."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from harness.runs.catalogue import Catalogue
from harness.runs.file_names import JOURNAL
from harness.runs.record import Run
from harness.runs.sample import Sample

PATIENCE = 600.0
"""Seconds to wait for something that happens after engines have started on a busy machine."""
EAGER = ("--engine-arg", "enforce_eager=true", "--dtype", "float32")
GREEDY = (*EAGER, "--limit", "24")
SAMPLED = (*EAGER, "--limit", "50", "--n", "4", "--temperature", "1", "--max-tokens", "40")
"""Enough that vLLM would split prompts over steps, which its CPU build cannot seed."""


def command(results: Path, *arguments: str, model: str = "demo") -> list[str]:
    """Return a command line that evaluates a model on the demo benchmark."""
    fixed = ["--benchmarks", "demo", "--results", str(results), "--json"]
    return [sys.executable, "-m", "harness", "eval", "--model", model, *fixed, *arguments]


def evaluate(results: Path, *arguments: str, model: str = "demo") -> Run:
    """Run the command to its end and return the run, whose scores must be reliable."""
    asked = command(results, *arguments, model=model)
    done = subprocess.run(asked, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    fields = json.loads(done.stdout)
    assert fields["trusted"], fields["untrusted"]
    return Run.model_validate({name: fields[name] for name in Run.model_fields})


def stored(results: Path) -> dict[str, Sample]:
    """Return the samples of the only run; none of them may occur twice."""
    ((path, _),) = Catalogue(results).runs
    lines = (path / JOURNAL).read_bytes().splitlines()
    samples = {f"{one.problem_id}#{one.index}": one for one in map(Sample.from_json, lines)}
    assert len(samples) == len(lines)
    return samples


def journaled(results: Path) -> int:
    """Return how many samples are stored so far."""
    return sum(path.read_bytes().count(b"\n") for path in results.glob(f"runs/*/*/{JOURNAL}"))


def launch(asked: list[str]) -> subprocess.Popen[str]:
    """Start a command in a session of its own."""
    return subprocess.Popen(
        asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def await_samples(process: subprocess.Popen[str], results: Path, samples: int) -> None:
    """Wait until a command that still runs has stored this many samples."""
    deadline = time.monotonic() + PATIENCE
    while journaled(results) < samples:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start(asked: list[str], results: Path) -> subprocess.Popen[str]:
    """Start a command and return it, halted (SIGSTOP) as soon as it has stored a sample.

    A run as short as these could end while the caller looks for what is to be killed.
    """
    process = launch(asked)
    await_samples(process, results, 1)
    process.send_signal(signal.SIGSTOP)
    return process


def assert_gone(processes: list[psutil.Process]) -> None:
    """Check that processes end by themselves, together with the one that started them."""
    _, left = psutil.wait_procs(processes, timeout=60)
    assert not [one.cmdline() for one in left if one.status() != psutil.STATUS_ZOMBIE]
