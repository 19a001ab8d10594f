"""Options and small parsers that several commands share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def results_option(function: F) -> F:
    """Add `--results`."""
    return click.option(
        "--results",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("results"),
        envvar="HARNESS_RESULTS",
        show_default=True,
        help="Folder of results: stored runs in its runs/, published ones in its published/. "
        "Environment variable: HARNESS_RESULTS.",
    )(function)


def json_option(function: F) -> F:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")(
        function
    )


def data_option(function: F) -> F:
    """Add `--data`."""
    return click.option(
        "--data",
        "data_dir",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="HARNESS_DATA",
        help="Read benchmark files from DIR/<benchmark>/test.jsonl instead of downloading them. "
        "Environment variable: HARNESS_DATA.",
    )(function)


def key_values(pairs: tuple[str, ...], option: str) -> dict[str, Any]:
    """Parse repeated ``key=value``; a value is JSON where it can be, else text."""
    parsed: dict[str, Any] = {}
    for key, value in key_texts(pairs, option).items():
        try:
            parsed[key] = json.loads(value)
        except ValueError:
            parsed[key] = value
    return parsed


def key_texts(pairs: tuple[str, ...], option: str) -> dict[str, str]:
    """Split repeated ``key=value``; a value stays as it is written."""
    split: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"'{pair}' is not key=value", param_hint=option)
        split[key] = value
    return split


def sample_counts(text: str) -> tuple[int, dict[str, int]]:
    """Parse `--n`: ``4``, or ``gsm8k=1,aime24=32``, or both as ``4,aime24=32``.

    >>> sample_counts("4,aime24=32")
    (4, {'aime24': 32})
    """
    common, named = 1, {}
    for part in text.split(","):
        name, equals, count = part.strip().rpartition("=")
        if not count.isdecimal() or int(count) < 1 or (equals and not name):
            raise click.BadParameter(
                f"'{text}': expected a count such as 4, or gsm8k=1,aime24=32", param_hint="--n"
            )
        if equals:
            named[name] = int(count)
        else:
            common = int(count)
    return common, named
