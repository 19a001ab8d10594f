r"""One grader of another project, asked row by row. It runs in that grader's own environment.

    PYTHON peer_grader.py NAME

A line of standard input is a JSON list: the response, and the gold as published. A line of standard
output answers it: whether the grader calls the response right (null if it gives no verdict), and
what it found in it, where it says so. The first line of output names the packages' versions.

Each is asked as its users ask it, and its source was read where the comments say. A gold without
any sign of mathematics around it is put between dollars for those whose documentation asks for
LaTeX: math-verify's README, "Gold extraction" ("the gold answer should be in LaTeX environment").
"""

# The graders are installed in other environments than the one whose types are checked.
# mypy: disable-error-code="import-not-found"
from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

Reply = tuple[bool | None, str | None]
"""Whether the response is right, None if the grader gives no verdict, and what was found in it."""
Ask = Callable[[str, str], Reply]


def in_dollars(gold: str) -> str:
    r"""Return a gold as LaTeX that a parser of running text finds.

    >>> in_dollars("1/2"), in_dollars("$3$"), in_dollars(r"\boxed{4}")
    ('$1/2$', '$3$', '\\boxed{4}')
    """
    marked = any(sign in gold for sign in ("$", r"\boxed", r"\(", r"\["))
    return gold if marked else f"${gold}$"


def math_verify() -> Ask:
    """`parse` and `verify` of the library with all defaults (math_verify/parser.py, grader.py)."""
    from math_verify import parse, verify

    def ask(response: str, gold: str) -> Reply:
        wanted, given = parse(in_dollars(gold)), parse(response)
        return (bool(verify(wanted, given)) if wanted else None), _last(given)

    return ask


def trl() -> Ask:
    """Ask the reward of its examples (trl/rewards/accuracy_rewards.py); None skips a row there."""
    from trl.rewards import accuracy_reward

    def ask(response: str, gold: str) -> Reply:
        found: dict[str, list[str]] = {}
        (reward,) = accuracy_reward(
            [[{"role": "assistant", "content": response}]],
            [in_dollars(gold)],
            log_extra=found.__setitem__,
        )
        return (None if reward is None else reward == 1), found["answer_parsed"][0]

    return ask


def lighteval() -> Ask:
    """Ask the metric of its math_500 and aime (lighteval/tasks/tasks, metrics/metrics.py)."""
    from lighteval.metrics.metrics import Metrics
    from lighteval.models.model_output import ModelResponse
    from lighteval.tasks.requests import Doc

    metric = Metrics.pass_at_k_math(sample_params={"k": 1, "n": 1}).sample_level_fn

    def ask(response: str, gold: str) -> Reply:
        doc = Doc(query="", choices=[in_dollars(gold)], gold_index=0)
        score = metric.compute(doc=doc, model_response=ModelResponse(text=[response]))
        return bool(score == 1), None

    return ask


def inspect_math() -> Ask:
    """`math()` (inspect_ai/scorer/_math.py), which takes a gold without dollars."""
    from inspect_ai.scorer import math

    return _inspect(math())


def inspect_match() -> Ask:
    """`match(numeric=True)`, as for problems with a number (inspect_ai/scorer/_match.py)."""
    from inspect_ai.scorer import match

    return _inspect(match(numeric=True))


def _inspect(scorer: Any) -> Ask:
    import asyncio

    from inspect_ai.model import ModelOutput
    from inspect_ai.scorer import Target
    from inspect_ai.solver import TaskState

    loop = asyncio.new_event_loop()

    def ask(response: str, gold: str) -> Reply:
        output = ModelOutput.from_content("none", response)
        state = TaskState(model="none", sample_id=1, epoch=1, input="", messages=[], output=output)
        score = loop.run_until_complete(scorer(state, Target(gold)))
        right = {"C": True, "I": False}.get(str(score.value))
        return right, None if score.answer is None else str(score.answer)

    return ask


def verl_math_dapo() -> Ask:
    """Ask what scores AIME there (verl/utils/reward_score/__init__.py and math_dapo.py)."""
    from verl.utils.reward_score.math_dapo import compute_score

    def ask(response: str, gold: str) -> Reply:
        score = compute_score(response, gold)
        return bool(score["acc"]), str(score["pred"])

    return ask


def verl_prime_math() -> Ask:
    """Ask what scores Numina's problems there (verl/utils/reward_score/prime_math)."""
    from verl.utils.reward_score.prime_math import compute_score

    def ask(response: str, gold: str) -> Reply:
        right, _, found = compute_score(response, gold)
        return bool(right), str(found)

    return ask


def qwen_compat() -> Ask:
    """Ask our own rewriting of Qwen2.5-Math's kit (harness/grading/compat)."""
    from harness.grading.compat import graders

    return lambda response, gold: (graders.qwen_compat(gold, response) == "equal", None)


GRADERS: dict[str, tuple[Callable[[], Ask], tuple[str, ...]]] = {
    "math-verify": (math_verify, ("math-verify", "latex2sympy2_extended")),
    "trl accuracy_reward": (trl, ("trl", "math-verify", "latex2sympy2_extended")),
    "lighteval pass_at_k_math": (lighteval, ("lighteval", "latex2sympy2_extended")),
    "inspect_ai math": (inspect_math, ("inspect-ai", "latex2sympy2_extended")),
    "inspect_ai match": (inspect_match, ("inspect-ai",)),
    "verl math_dapo": (verl_math_dapo, ("verl",)),
    "verl prime_math": (verl_prime_math, ("verl",)),
    "qwen-compat": (qwen_compat, ()),
}
"""By name: how the grader is made, and the packages whose versions count."""


def _last(found: list[Any]) -> str | None:
    return str(found[-1]) if found else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def main(name: str) -> None:
    """Answer rows until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    make, packages = GRADERS[name]
    ask = make()
    versions = {package: _version(package) for package in packages}
    print(json.dumps(versions), file=answers, flush=True)
    for line in sys.stdin:
        response, gold = json.loads(line)
        try:
            reply = ask(response, gold)
        except Exception as error:  # noqa: BLE001 - whatever another project raises
            reply = None, f"{type(error).__name__}: {error}"[:500]
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
