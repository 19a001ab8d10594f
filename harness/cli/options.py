"""Options and small parsers that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from benchmarks import hints
from benchmarks.bounded_json import parse_json
from benchmarks.errors import UserError
from harness.cli.output import echo
from harness.common.folders import DATA_VARIABLE, DEFAULT_RESULTS, RESULTS_VARIABLE
from harness.common.text import one_line

F = TypeVar("F", bound=Callable[..., Any])


class NewFolder(click.Path):
    """A folder to write to. An empty text is none: Python would take it for the current folder."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path.

        Raises:
            click.BadParameter: the text is empty, or a file is there.
        """
        if value == "":
            self.fail("an empty text names no folder; the current one is '.'", param, ctx)
        return super().convert(value, param, ctx)


def tell(error: UserError) -> None:
    """Say in a line on stderr what is wrong with one part; the rest is done all the same."""
    echo(f"harness: {one_line(str(error), limit=500)}", err=True)


def _remembered(context: click.Context, option: click.Parameter, value: Path | None) -> Path | None:
    """Have hints name the folder again; what the environment or the default says needs no name."""
    if context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE:
        name = option.opts[0]
        hints.remember(name, str(value))
        context.call_on_close(lambda: hints.forget(name))
    return value


def results_option(function: F) -> F:
    """Add `--results`."""
    return click.option(
        "--results",
        type=click.Path(file_okay=False, path_type=Path),
        default=DEFAULT_RESULTS,
        envvar=RESULTS_VARIABLE,
        callback=_remembered,
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
        envvar=DATA_VARIABLE,
        callback=_remembered,
        help="Read benchmark files from DIR/<benchmark>/test.jsonl instead of downloading them. "
        "Environment variable: HARNESS_DATA.",
    )(function)


def key_values(
    context: click.Context, option: click.Parameter, pairs: tuple[str, ...]
) -> dict[str, Any]:
    """Parse a repeated ``key=value`` option; a value is JSON where it can be, else text."""
    parsed: dict[str, Any] = {}
    for key, value in key_texts(context, option, pairs).items():
        try:
            parsed[key] = parse_json(value)
        except ValueError:
            parsed[key] = value
    return parsed


def key_texts(
    context: click.Context, option: click.Parameter, pairs: tuple[str, ...]
) -> dict[str, str]:
    """Split a repeated ``key=value`` option; a value stays as it is written."""
    split: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"'{pair}' is not key=value", param_hint=option.opts[0])
        split[key] = value
    return split


def sample_counts(
    context: click.Context, option: click.Parameter, text: str | None
) -> tuple[int, dict[str, int]]:
    """Parse `--n`: ``4``, or ``gsm8k=1,aime24=32``, or both as ``4,aime24=32``.

    Returns the samples of all benchmarks, and of those that are named.
    """
    common, named = 1, {}
    for part in text.split(",") if text is not None else ():
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


class _Points(click.FloatRange):
    """A number of percentage points between 0 and 100."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number.

        Raises:
            click.BadParameter: it is none, or outside.
        """
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(
                f"'{value}': expected a number of percentage points between 0 and 100, such as 1",
                param,
                ctx,
            )


def _as_fraction(
    context: click.Context, option: click.Parameter, points: float | None
) -> float | None:
    if points is not None and not 0 < points < 100:  # click takes what is no number for in range
        raise click.BadParameter(f"'{points:g}' is not between 0 and 100", param_hint="--margin")
    return None if points is None else points / 100


def margin_option(function: F) -> F:
    """Add `--margin`, in percentage points; the function gets a fraction."""
    return click.option(
        "--margin",
        type=_Points(0, 100, min_open=True, max_open=True),
        callback=_as_fraction,
        metavar="POINTS",
        help="A difference in percentage points that does not matter: also say whether B is the "
        "same as A within it, or not worse by it.",
    )(function)


class RenamedOption(click.Option):
    """An option whose further names are of earlier versions: they work, and help is silent."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return what help shows, which is the first name alone."""
        shown = copy(self)
        shown.opts = self.opts[:1]
        return click.Option.get_help_record(shown, ctx)


def mismatch_option(help_text: str) -> Callable[[F], F]:
    """Add `--allow-mismatch`."""
    return click.option(
        "--allow-mismatch", "--anyway", cls=RenamedOption, is_flag=True, help=help_text
    )
