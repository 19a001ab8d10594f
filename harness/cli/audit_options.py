"""The options that say which other graders are asked for an opinion, and which judge, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.cli.options import key_values

if TYPE_CHECKING:
    from harness.evaluation.judging.judge import Judge

JUDGE = "judge"
AUDITORS = ("math-verify", "qwen-compat", JUDGE)
"""The names that `--audit` takes. They stand here too since the graders take long to import."""
_AUDIT = click.option(
    "--audit",
    "auditors",
    type=click.Choice(AUDITORS),
    multiple=True,
    help="Ask this grader too, and list where it differs from ours; repeatable.",
)
# A message of the openai engine names its settings so, and thereby these options.
_OPTIONS = (
    click.option(
        "--judge-url",
        "base_url",
        metavar="URL",
        help="OpenAI-compatible server of the judge, up to /v1.  [default: $OPENAI_BASE_URL]",
    ),
    click.option(
        "--judge-model", metavar="NAME", help="Model to ask with --audit judge, by its name there."
    ),
    click.option(
        "--judge-key-variable",
        "key_variable",
        metavar="NAME",
        help="Environment variable that holds the server's key.  [default: OPENAI_API_KEY]",
    ),
    click.option(
        "--judge-limit",
        type=click.IntRange(1, 100_000),
        help="Questions that the judge is asked, at most.  [default: 1000]",
    ),
    click.option(
        "--judge-max-tokens",
        "max_tokens",
        type=click.IntRange(1, 1_000_000),
        help="Tokens that a reply may have, reasoning included.  [default: 1024]",
    ),
    click.option(
        "--judge-concurrency",
        type=click.IntRange(1, 1024),
        help="Requests under way at the server at once.  [default: 8]",
    ),
    click.option(
        "--judge-arg",
        "engine_args",
        multiple=True,
        metavar="KEY=VALUE",
        callback=key_values,
        help="Further parameter of the requests; temperature=null leaves one out; repeatable.",
    ),
)
_FIELDS = {
    "judge_model": "model",
    "base_url": "base_url",
    "key_variable": "key_variable",
    "judge_limit": "limit",
    "max_tokens": "max_tokens",
    "judge_concurrency": "concurrency",
    "engine_args": "args",
}
"""The options' parameters, and the fields of `JudgeSetup` that they set."""
F = TypeVar("F", bound=Callable[..., Any])


def audit_options(function: F) -> F:
    """Add `--audit` and the options of the judge, which the function hands to `open_judge`."""
    for option in reversed((_AUDIT, *_OPTIONS)):
        function = option(function)
    return function


def open_judge(auditors: Sequence[str], flags: dict[str, Any]) -> Judge | None:
    """Return the judge that the options name; None if it is not among the auditors.

    Raises:
        click.UsageError: the options do not go together.
        UserError: the server's URL, its key or a parameter is refused.
    """
    given = {field: flags[name] for name, field in _FIELDS.items() if flags[name]}
    if JUDGE not in auditors:
        if given:
            raise click.UsageError("the options of the judge ask nobody without --audit judge")
        return None
    if "model" not in given:
        raise click.UsageError("which model is the judge? --judge-model takes its name")
    from harness.evaluation.judging.judge import Judge, JudgeSetup

    return Judge(JudgeSetup(**given))


def other_graders(auditors: Sequence[str]) -> list[str]:
    """Return the auditors without the judge."""
    return [name for name in auditors if name != JUDGE]
