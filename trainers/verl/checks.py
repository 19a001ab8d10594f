"""What verl says of the settings that a user gave, before a training is started.

verl is asked, not copied: its classes, registries and functions look at the values in a process of
their own (`trainers.verl.plugins.check`). Importing verl takes seconds, so a plan in which the
user set nothing is not asked about; the tests ask about every recipe.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from benchmarks import WrongValueError
from benchmarks.bounded_json import parse_json
from harness.common.own_packages import ROOT
from trainers.base import Setting
from trainers.verl import keys
from trainers.verl.command import overrides
from trainers.verl.keys import hydra_value

MODULE = "trainers.verl.plugins.check"
PATIENCE = 120.0
"""Seconds in which verl has to be imported and to answer; it takes about six."""


def refuse_what_verl_refuses(
    configuration: str,
    recipe: Iterable[Setting],
    given: Mapping[str, Setting],
    environment: Mapping[str, str],
) -> str:
    """Refuse values that a class or a function of verl would refuse after the start.

    Args:
        configuration: one of `keys.GRPO` and `keys.SFT`.
        recipe: every setting; those that name files of this training may be left out.
        given: what the user set.
        environment: variables that a training's processes would have.

    Returns:
        Why verl could not be asked; empty if it was.

    Raises:
        WrongValueError: verl refuses a value; the message has its reason.
    """
    if not given:
        return ""
    composed = keys.compose(configuration, overrides(configuration, recipe))
    question = {"configuration": configuration, "config": composed, "keys": list(given)}
    answer, failed = _asked(json.dumps(question), tuple(sorted(environment.items())))
    for named, reason in answer:
        values = " ".join(f"--set {key}={hydra_value(given[key].value)}" for key in named)
        raise WrongValueError(f"{values}: verl does not take this: {reason}")
    return failed


@cache
def _asked(question: str, environment: tuple[tuple[str, str], ...]) -> tuple[Any, str]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", MODULE],
            input=question,
            env={**os.environ, **dict(environment)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return (), f"verl could not be asked whether it takes the settings: {error}"
    try:
        return tuple(map(tuple, parse_json(done.stdout.encode()))), ""
    except (ValueError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
        return (), f"verl could not be asked whether it takes the settings: {last[:300]}"
