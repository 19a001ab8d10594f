"""Evaluations of the demo model by the command line, as a user runs them, watched from outside."""

from __future__ import annotations

import json
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
"""Seconds for something that comes after engines have started on a busy machine."""
EAGER = ("--engine-arg", "enforce_eager=true", "--dtype", "float32")
GREEDY = (*EAGER, "--limit", "24")
SAMPLED = (*EAGER, "--limit", "100", "--n", "4", "--temperature", "1", "--max-tokens", "40")
"""Enough that vLLM would split prompts over steps, which its CPU build cannot seed."""


def command(results: Path, *arguments: str, model: str = "demo") -> list[str]:
    """Return a command line that evaluates a model on the demo benchmark."""
    fixed = ["--benchmarks", "demo", "--results", str(results), "--json"]
    return [sys.executable, "-m", "harness", "eval", "--model", model, *fixed, *arguments]


def evaluate(results: Path, *arguments: str, model: str = "demo") -> Run:
    """Run the command to its end and return the run, which has to be trusted."""
    asked = command(results, *arguments, model=model)
    done = subprocess.run(asked, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    fields = json.loads(done.stdout)
    assert fields["trusted"], fields["untrusted"]
    return Run.model_validate({name: fields[name] for name in Run.model_fields})


def stored(results: Path) -> dict[str, Sample]:
    """Return the samples of the only run; none of them may be there twice."""
    ((path, _),) = Catalogue(results).runs
    lines = (path / JOURNAL).read_bytes().splitlines()
    samples = {f"{one.problem_id}#{one.index}": one for one in map(Sample.from_json, lines)}
    assert len(samples) == len(lines)
    return samples


def journaled(results: Path) -> int:
    """Return how many samples are stored so far."""
    return sum(path.read_bytes().count(b"\n") for path in results.glob(f"runs/*/*/{JOURNAL}"))


def start(asked: list[str], results: Path, *, samples: int) -> subprocess.Popen[str]:
    """Start a command and return when it has stored so many samples; it is still running then."""
    process = subprocess.Popen(
        asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + PATIENCE
    while journaled(results) < samples:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def assert_gone(processes: list[psutil.Process]) -> None:
    """See that processes end, by themselves, with the one that started them."""
    _, left = psutil.wait_procs(processes, timeout=60)
    assert not [one.cmdline() for one in left if one.status() != psutil.STATUS_ZOMBIE]
