"""Fixtures that several test modules share, and what holds for all tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from real_runs import GREEDY, SAMPLED, evaluate
from replayed import write_responses
from shipped import copy_shipped_results

from harness.engines.ray.cluster import own_ray_environment

ROOT = Path(__file__).parents[1]
LONG = (
    "engines/test_engines",
    "engines/test_ray_engine",
    "evaluation/test_determinism",
    "faults/",
    "grading/test_adversarial",
    "reporting/test_browser",
    "stats/test_coverage_by_simulation",
    "trainers/test_train.py",
)
"""Files that take long: they begin first, so that processes end at about the same time."""

RAY_HEAD = """
import sys
import ray
context = ray.init(
    address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
    logging_level="ERROR",
)
print(context.address_info["gcs_address"], flush=True)
sys.stdin.read()
ray.shutdown()
"""

# Each test's commands import what is tested here, wherever the environment's own copy is.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
)

# A busy machine is slow at times, and a failure has to be seen again by who looks for it.
settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With ``-m engine``, leave out the files without such a test: importing all takes long."""
    if config.option.markexpr != "engine" or collection_path.suffix != ".py":
        return None
    return None if "mark.engine" in collection_path.read_text(encoding="utf-8") else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not any(name in item.nodeid for name in LONG))


@pytest.fixture
def responses(tmp_path: Path) -> Path:
    """Saved responses to the first twelve demo problems."""
    return write_responses(tmp_path / "responses.jsonl", limit=12)


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder as the repository has it, without what anybody has evaluated since."""
    return copy_shipped_results(tmp_path_factory.mktemp("shipped"))


@pytest.fixture(scope="session")
def greedy(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The results folder of a run of vLLM by the command line that nothing disturbed."""
    return evaluated_once("greedy", GREEDY, tmp_path_factory, worker_id)


@pytest.fixture(scope="session")
def sampled(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The results folder of another one, which draws several samples of each problem."""
    return evaluated_once("sampled", SAMPLED, tmp_path_factory, worker_id)


def evaluated_once(
    name: str, asked: Sequence[str], factory: pytest.TempPathFactory, worker: str
) -> Path:
    """Return the results folder of a run that all processes of the suite share.

    The first that needs it makes it. The way to share is the one in pytest-xdist's documentation,
    "Making session-scoped fixtures execute only once".
    """
    own = factory.getbasetemp()
    made = (own if worker == "master" else own.parent) / name
    with FileLock(f"{made}.lock"):
        if not made.exists():
            unfinished = factory.mktemp(name)
            evaluate(unfinished, *asked)
            unfinished.rename(made)
    return made


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[str]:
    """The address of a Ray cluster of two processors on this machine, for whoever we start."""
    with pytest.MonkeyPatch.context() as patched:
        # By itself Ray has its workers yield to everybody: on a busy machine they never come to it.
        for name, value in {**own_ray_environment(), "RAY_worker_niceness": "0"}.items():
            patched.setenv(name, value)
        pytest.importorskip("ray")
        head = subprocess.Popen(
            [sys.executable, "-c", RAY_HEAD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert head.stdout is not None
        yield head.stdout.readline().strip()
        head.communicate()  # it ends when nobody talks to it


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="accept what is printed now")
