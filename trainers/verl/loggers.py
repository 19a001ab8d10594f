"""The loggers that can receive verl's curves besides our own file, and what each needs.

Everything that a logger writes locally goes below the training's folder, unless the user's own
environment names another place. Keys for logging in stay in the environment: we store none.
"""

from __future__ import annotations

import importlib.util
import netrc
import os
import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.errors import UserError, WrongValueError
from benchmarks.registry import suggest
from harness.common.files import write_atomically

LOGGERS: Mapping[str, str | None] = {
    "console": None,
    "file": None,
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "mlflow": "mlflow",
    "swanlab": "swanlab",
    "trackio": "trackio",
    "clearml": "clearml",
    "vemlp_wandb": "volcengine_ml_platform",
    "rl_insight": "rl_insight",
}
"""verl 0.9's loggers (`utils/tracking.py`), with the module that each imports."""
ALWAYS = ("console", "file")
"""Loggers that are always on: our curves are read from the file, people read the console."""

WANDB_RUN = "WANDB_RUN_ID"
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check(loggers: Sequence[str], *, one_of_several: bool = False) -> None:
    """Refuse a logger that verl does not have, or that would fail minutes later.

    Raises:
        UserError: there is no such logger, its package is not installed, or it has no key; or one
            of several trainings would share its run with the others.
    """
    for name in loggers:
        if name not in LOGGERS:
            raise WrongValueError(suggest("logger", name, list(LOGGERS)))
        module = LOGGERS[name]
        if module is not None and importlib.util.find_spec(module) is None:
            raise UserError(
                f"--logger {name} needs the Python package {module.replace('_', '-')}, which is "
                "not installed here; install it, or leave the logger out (the curves are in "
                "training/metrics.jsonl in any case)"
            )
    if "wandb" in loggers and not _has_wandb_key(os.environ):
        raise UserError(
            "--logger wandb has no key to log in with; run `wandb login`, set WANDB_API_KEY, or "
            "set WANDB_MODE=offline to write below the output folder only"
        )
    if "wandb" in loggers and one_of_several and os.environ.get(WANDB_RUN):
        raise UserError(
            f"--seeds with --logger wandb: {WANDB_RUN} is set, and all seeds would write to that "
            "one run; unset it, and each seed has a run of its own"
        )


def _has_wandb_key(variables: Mapping[str, str]) -> bool:
    if variables.get("WANDB_MODE") in ("offline", "disabled", "dryrun"):
        return True
    if variables.get("WANDB_API_KEY") or variables.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    file = variables.get("NETRC") or Path.home() / ".netrc"
    try:
        return any("wandb" in host for host in netrc.netrc(str(file)).hosts)
    except (OSError, netrc.NetrcParseError):
        return False


def continued(
    training: Path, loggers: Sequence[str], variables: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the variables with which a resumed training goes on in the run that it began.

    verl calls `wandb.init` without an id (0.9.1, `utils/tracking.py`), and wandb takes the id and
    whether to resume from WANDB_RUN_ID and WANDB_RESUME (0.31.0, `sdk/wandb_settings.py`,
    `update_from_env_vars`). The id is made at the first launch and kept in the training's folder.
    An id that the user's own environment has counts, and is kept too. tensorboard needs nothing:
    it shows all files of its folder as one run.

    Raises:
        OSError: the id cannot be kept.
    """
    if "wandb" not in loggers:
        return {}
    already = os.environ if variables is None else variables
    kept = training / "wandb-run-id.txt"
    known = kept.read_text(encoding="utf-8").strip() if kept.is_file() else ""
    run = already.get(WANDB_RUN) or (known if _RUN_ID.fullmatch(known) else uuid.uuid4().hex[:12])
    if run != known:
        write_atomically(kept, f"{run}\n")
    resume = already.get("WANDB_RESUME") or "allow"
    return {WANDB_RUN: run, "WANDB_RESUME": resume}


def environment(
    training: Path, loggers: Sequence[str], variables: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the variables that make the loggers write below a training's folder.

    What ``variables`` (by default this process's environment) sets already is left out.
    """
    already = os.environ if variables is None else variables
    training = training.resolve()
    ours = {
        "tensorboard": ("TENSORBOARD_DIR", str(training / "tensorboard")),
        "mlflow": ("MLFLOW_TRACKING_URI", f"sqlite:///{training / 'mlflow.db'}"),
        "wandb": ("WANDB_DIR", str(training)),  # it makes a folder `wandb` there
        "swanlab": ("SWANLAB_LOG_DIR", str(training / "swanlab")),
        "trackio": ("TRACKIO_DIR", str(training / "trackio")),
    }
    directed = dict(ours[name] for name in loggers if name in ours)
    return {name: value for name, value in directed.items() if name not in already}
