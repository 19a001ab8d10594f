"""The openai engine, on servers that misbehave and on a real one."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from shutil import copytree
from typing import Any

import pytest
from bad_server import (
    DEADLINE,
    Asked,
    BadServer,
    Reply,
    closes,
    cuts,
    endless,
    hangs,
    says,
    sends,
    status,
)
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace
from replayed import replay_spec, write_responses

from benchmarks import UserError
from harness import Result, evaluate, import_generations, regrade, write_report
from harness.cli import cli
from harness.common.parent_death import DRIVER
from harness.demo import MODEL_PATH
from harness.engines import ENGINES, Completion, EngineSetup, Request
from harness.engines.openai import rate_limit as pacing
from harness.engines.openai.engine import IN_A_ROW, OpenaiEngine
from harness.engines.openai.protocol import ErrorBody, _Usage
from harness.engines.openai.rate_limit import Pace, asked_wait, backoff
from harness.evaluation.plan import prepare
from harness.models.checkpoint import open_checkpoint
from harness.prompts.rendering import Prompt, render
from harness.prompts.styles import PROMPT_STYLES
from harness.reporting.text.notes import score_notes
from harness.runs.catalogue import Catalogue
from harness.runs.file_names import JOURNAL, RECORD
from harness.runs.identity import EngineIdentity
from harness.runs.sample import Sample, SampleKey
from harness.runs.samples_table import COLUMNS, read_parquet
from harness.runs.spec import EngineSpec, EvalSpec, PromptSpec, Sampling, Server
from harness.runs.spec_fields import make_spec

KEY = "sk-this-is/the+key-0123456789"
NEUTRAL_VALUES: dict[str, float] = {
    "top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pacing, "FIRST_DELAY", 0.001)


def requests(count: int, *, style: str = "boxed") -> list[Request]:
    prompts = render(
        PROMPT_STYLES[style],
        [f"question {i}" for i in range(count)],
        tokenizer=None,
        as_messages=True,
    )
    return [
        Request(key=SampleKey(f"p/{i}", 0), prompt=prompt, max_tokens=32, seed=1000 + i)
        for i, prompt in enumerate(prompts)
    ]


def engine(
    url: str,
    *,
    sampling: Sampling | None = None,
    args: dict[str, Any] | None = None,
    template_args: dict[str, Any] | None = None,
    model: str = "served",
    **server: Any,
) -> OpenaiEngine:
    server = {"concurrency": 4, "timeout": DEADLINE, "attempts": 3, **server}
    return OpenaiEngine(
        EngineSetup(
            spec=EngineSpec(name="openai", server=Server(base_url=url, **server), args=args or {}),
            sampling=sampling or Sampling(max_tokens=32),
            checkpoint=None,
            longest=32,
            model_name=model,
            template_args=template_args or {},
        )
    )


def ask(opened: OpenaiEngine, asked: list[Request]) -> dict[str, Completion]:
    """Generate all requests, and check that each got exactly one completion."""
    got = list(opened.generate(iter(asked)))
    assert Counter(c.key for c in got) == Counter(request.key for request in asked)
    assert not [t for t in threading.enumerate() if t.name == "openai-engine"]
    return {completion.key.problem_id: completion for completion in got}


def refused(opened: OpenaiEngine, asked: list[Request]) -> tuple[str, list[Completion]]:
    """Return the error's message, and the completions that were yielded before it."""
    got: list[Completion] = []
    with pytest.raises(UserError) as caught:
        got.extend(opened.generate(iter(asked)))
    told = str(caught.value)
    assert "\n" not in told
    assert "Traceback" not in told
    return told, got


def echo(asked: Asked) -> Reply:
    return says(f"re: {asked.prompt}")


# What a request contains


def test_a_conversation_is_sent_as_its_turns_and_each_answer_goes_to_its_request() -> None:
    with BadServer(echo) as server:
        got = ask(engine(server.url), requests(9))
    for i in range(9):
        completion = got[f"p/{i}"]
        assert completion.text.startswith(f"re: question {i}\nPlease reason")
        assert (completion.finish_reason, completion.error) == ("stop", None)
        assert (completion.prompt_tokens, completion.completion_tokens) == (11, 7)
    assert {asked.path for asked in server.asked} == {"/v1/chat/completions"}
    first = next(asked for asked in server.asked if "question 0" in asked.prompt)
    content = requests(1)[0].prompt.messages
    assert first.body == {
        "model": "served", "messages": list(content or ()), "max_tokens": 32, "temperature": 0.0,
        **NEUTRAL_VALUES,
    }  # fmt: skip
    assert first.headers["Authorization"] == "Bearer none", "no key is set, and none is needed here"


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("plain", "Question: question 0\nAnswer:"),
        ("openseek-sft", "<|im_start|>system\n<|im_end|>\n<|im_start|>user\nPlease"),
    ],
)
def test_a_style_that_fixes_the_text_is_sent_as_that_text(style: str, text: str) -> None:
    with BadServer(echo) as server:
        got = ask(engine(server.url, template_args={"x": 1}), requests(1, style=style))
    assert [asked.path for asked in server.asked] == ["/v1/completions"]
    assert server.asked[0].body["prompt"].startswith(text)
    assert "chat_template_kwargs" not in server.asked[0].body
    assert got["p/0"].text.startswith(f"re: {text}")


def sent(asked: Asked) -> dict[str, Any]:
    return {name: value for name, value in asked.body.items() if name not in ("model", "messages")}


def test_every_sampling_parameter_is_stated_and_an_argument_has_the_last_word() -> None:
    """What a request leaves out, vLLM and SGLang take from the model's generation config."""
    sampling = Sampling(temperature=0.5, top_p=0.9, top_k=7, max_tokens=32)
    with BadServer(echo) as server:
        ask(engine(server.url, sampling=sampling, template_args={"think": False}), requests(1))
        args = {
            "seed": None, "max_tokens": None, "max_completion_tokens": 9, "min_p": None,
            "repetition_penalty": 1.1,
        }  # fmt: skip
        ask(engine(server.url, sampling=sampling, args=args), requests(1))
        greedy = Sampling(top_p=0.9, top_k=7, max_tokens=32)
        ask(engine(server.url, sampling=greedy), requests(1))
    said, other, third = map(sent, server.asked)
    rest = {name: NEUTRAL_VALUES[name] for name in ("presence_penalty", "frequency_penalty")}
    assert said == {
        "max_tokens": 32, "temperature": 0.5, "top_p": 0.9, "seed": 1000, "top_k": 7, "min_p": 0.0,
        "repetition_penalty": 1.0, **rest, "chat_template_kwargs": {"think": False},
    }  # fmt: skip
    assert other == {
        "max_completion_tokens": 9, "temperature": 0.5, "top_p": 0.9, "top_k": 7,
        "repetition_penalty": 1.1, **rest,
    }  # fmt: skip
    assert third == {"max_tokens": 32, "temperature": 0.0, **NEUTRAL_VALUES}, "nothing is drawn"
    with pytest.raises(UserError, match=r"engine_args stream: .* the harness sets this itself"):
        OpenaiEngine.require_recorded(EngineSpec(args={"stream": True}))


@pytest.mark.engine
def test_the_neutral_values_are_neutral_for_vllm() -> None:
    """They are what vLLM's own requests have if no generation config fills them in."""
    protocol = pytest.importorskip("vllm.entrypoints.openai.chat_completion.protocol")
    params = pytest.importorskip("vllm.sampling_params").SamplingParams(**NEUTRAL_VALUES)
    for name, value in protocol.ChatCompletionRequest._DEFAULT_SAMPLING_PARAMS.default.items():
        assert name in (*NEUTRAL_VALUES, "temperature")
        if name not in ("temperature", "top_k"):
            assert value == NEUTRAL_VALUES[name]
    assert params.top_k <= 0, "vLLM's samplers limit only where 0 < top_k"


STRICT: dict[str, Callable[[str], Reply]] = {
    "openai": lambda name: status(
        400, {"error": {"message": f"Unrecognized request argument supplied: {name}",
                        "param": None, "code": None}}),
    "fastapi": lambda name: status(
        422, {"detail": [{"type": "extra_forbidden", "loc": ["body", name],
                          "input": dict(NEUTRAL_VALUES)}]}),
    "param": lambda name: status(400, {"error": {"message": "no", "param": name}}),
    "other spelling": lambda name: status(400, {"error": f"{camel(name)} is not for this model"}),
}  # fmt: skip


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


@pytest.mark.parametrize("kind", STRICT)
def test_neutral_values_that_a_server_refuses_are_left_out_whoever_learns_it_first(
    kind: str,
) -> None:
    """The first eight requests are all sent with them, and are refused at the same moment."""
    unknown = ("top_k", "min_p", "repetition_penalty")

    def script(asked: Asked) -> Reply:
        server.wait_until(lambda: len(server.asked) >= 8)
        refused = next((name for name in unknown if name in asked.body), None)
        return echo(asked) if refused is None else STRICT[kind](refused)

    with BadServer(script) as server:
        opened = engine(server.url, concurrency=8)
        got = ask(opened, requests(20))
    assert all(completion.finish_reason == "stop" for completion in got.values())
    assert opened.counters == {f"without {name}": 20 for name in unknown}, "and no retries"
    accepted = [asked for asked in server.asked if "top_k" not in asked.body]
    last = sent(server.asked[-1])
    assert last == {
        "max_tokens": 32, "temperature": 0.0, "top_p": 1.0, "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
    }  # fmt: skip
    assert len(accepted) >= 20
    assert len(server.asked) <= 20 + 8 * 5, "the others did not have to learn it"


QUOTING: dict[str, Callable[[Asked], str]] = {
    "the request": lambda asked: f"your request was {json.dumps(asked.body)}",
    "what it takes": lambda _: f"min_p is unknown; accepted: {', '.join(NEUTRAL_VALUES)}",
}


@pytest.mark.parametrize("kind", QUOTING)
def test_only_what_a_server_refuses_is_left_out_whatever_else_its_error_mentions(kind: str) -> None:
    def script(asked: Asked) -> Reply:
        if "min_p" in asked.body:
            return status(400, {"error": {"message": QUOTING[kind](asked)}})
        return echo(asked)

    with BadServer(script) as server:
        opened = engine(server.url)
        ask(opened, requests(20))
    assert opened.counters == {"without min_p": 20}
    rest = {name: value for name, value in NEUTRAL_VALUES.items() if name != "min_p"}
    whole = [sent(asked) for asked in server.asked if asked.body["max_tokens"] == 32]
    assert [one for one in whole if "min_p" not in one] == [
        {"max_tokens": 32, "temperature": 0.0, **rest}
    ] * 20


@pytest.mark.parametrize("times", [1, 1000], ids=["once", "always"])
def test_a_refusal_of_something_else_that_quotes_the_request_changes_nothing(times: int) -> None:
    """It comes before any answer, when the server has not accepted anything yet."""

    def script(asked: Asked) -> Reply:
        if "question 0\n" in asked.prompt and asked.attempt < times:
            return status(400, {"error": {"message": f"flagged: {json.dumps(asked.body)}"}})
        return echo(asked)

    with BadServer(script) as server:
        opened = engine(server.url, concurrency=1)
        got = ask(opened, requests(5))
    assert got["p/0"].finish_reason == "error"
    assert got["p/0"].error is not None
    assert got["p/0"].error.startswith("HTTP 400: flagged")
    assert not opened.counters
    assert sent(server.asked[-1]).items() >= NEUTRAL_VALUES.items()


def test_a_request_is_recorded_as_it_was_sent_though_another_learns_meanwhile() -> None:
    """The first request is still being answered with all values when the second is refused."""

    def script(asked: Asked) -> Reply:
        if "question 0\n" in asked.prompt:
            server.wait_until(lambda: len(server.asked) >= 4)
            return echo(asked)
        return STRICT["param"]("min_p") if "min_p" in asked.body else echo(asked)

    with BadServer(script) as server:
        opened = engine(server.url, concurrency=2)
        ask(opened, requests(4))
    without = [asked for asked in server.asked if "min_p" not in asked.body]
    assert opened.counters == {"without min_p": len(without)}
    assert len(without) == 3


def test_no_limit_on_top_k_is_written_as_the_server_wants_it() -> None:
    def script(asked: Asked) -> Reply:
        if asked.body["top_k"] < 0:  # as LMDeploy answers
            return status(400, {"message": "The top_k -1 cannot be a negative integer."})
        return echo(asked)

    with BadServer(script) as server:
        opened = engine(server.url, concurrency=1)
        ask(opened, requests(3))
    assert [asked.body["top_k"] for asked in server.asked] == [-1, 0, -1, 0, 0, 0]
    assert [asked.body["max_tokens"] for asked in server.asked] == [32, 16, 16, 32, 32, 32]
    assert not opened.counters


def test_what_the_server_has_accepted_stays_though_a_refusal_quotes_it() -> None:
    def script(asked: Asked) -> Reply:
        if "question 2\n" in asked.prompt:
            return status(400, {"error": {"message": f"blocked: {json.dumps(asked.body)}"}})
        return echo(asked)

    with BadServer(script) as server:
        got = ask(engine(server.url, concurrency=1), requests(5))
    assert got["p/2"].finish_reason == "error"
    assert sent(server.asked[-1]).items() >= NEUTRAL_VALUES.items()
    assert len(server.asked) == 5


def test_a_value_that_was_asked_for_is_never_left_out() -> None:
    def script(asked: Asked) -> Reply:
        return STRICT["openai"]("top_k") if "top_k" in asked.body else echo(asked)

    sampling = Sampling(temperature=1, top_k=5, max_tokens=32)
    with BadServer(script) as server:
        said, got = refused(engine(server.url, sampling=sampling), requests(4))
    assert "engine_args top_k=null leaves it out" in said
    assert not got


# Reasoning, and replies in parts


REASONED: dict[str, dict[str, Any]] = {
    "vllm": {"content": "4", "reasoning": "2 + 2"},
    "sglang, deepseek": {"content": "4", "reasoning_content": "2 + 2"},
    "both": {"content": "4", "reasoning": "2 + 2", "reasoning_content": "2 + 2"},
    "mistral": {
        "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "2 + 2"}]},
            {"type": "text", "text": "4"},
        ]
    },
}


@pytest.mark.parametrize("kind", REASONED)
def test_reasoning_is_kept_apart_from_the_response(kind: str) -> None:
    usage = {
        "prompt_tokens": 11, "completion_tokens": 7,
        "completion_tokens_details": {"reasoning_tokens": 5},
    }  # fmt: skip
    with BadServer(lambda _: replies(REASONED[kind], usage)) as server:
        (completion,) = ask(engine(server.url), requests(1)).values()
    assert (completion.text, completion.reasoning) == ("4", "2 + 2")
    assert (completion.completion_tokens, completion.reasoning_tokens) == (7, 5)


def replies(message: dict[str, Any], usage: Any = None, reason: str = "stop") -> Reply:
    return sends({"choices": [{"message": message, "finish_reason": reason}], "usage": usage})


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]}, "a b"),
        ({"content": [{"type": "output_text", "text": "a"}, "b", 3, None, {"type": []}]}, "ab"),
        ({"content": [{"type": "image_url", "image_url": {}}, {"type": "text"}]}, ""),
        ({"content": None, "refusal": "I will not."}, "I will not."),
        ({"content": None, "reasoning": 5, "reasoning_content": ["x"]}, ""),
    ],
)
def test_a_reply_in_parts_is_joined(message: dict[str, Any], text: str) -> None:
    usage = {"completion_tokens": 7, "completion_tokens_details": ["x"], "reasoning_tokens": True}
    with BadServer(lambda _: replies(message, usage)) as server:
        opened = engine(server.url)
        (completion,) = ask(opened, requests(1)).values()
    assert (completion.text, completion.finish_reason) == (text, "stop")
    assert (completion.reasoning, completion.reasoning_tokens) == (None, None)
    assert not opened.counters


def test_the_key_is_not_in_the_reasoning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with BadServer(lambda _: replies({"reasoning": f"it is {KEY}"})) as server:
        (completion,) = ask(engine(server.url), requests(1)).values()
    assert completion.reasoning == "it is [the key]"


# A context that is shorter than prompt and limit together


CONTEXT, PROMPT = 40, 11


def vllm_refuses(asked: Asked) -> Reply | None:
    """As vLLM does (`TokenizeParams` in vllm/renderers/params.py)."""
    limit = asked.body.get("max_tokens") or asked.body["max_completion_tokens"]
    if limit > CONTEXT:
        told = (
            f"max_tokens={limit} cannot be greater than max_model_len=max_total_tokens={CONTEXT}. "
            "Please request fewer output tokens."
        )
        return status(400, {"error": {"message": told, "param": "max_tokens", "code": 400}})
    if PROMPT + limit > CONTEXT:
        told = (
            f"This model's maximum context length is {CONTEXT} tokens. However, you requested "
            f"{limit} output tokens and your prompt contains at least {CONTEXT - limit + 1} input "
            "tokens. Please reduce the length of the input prompt."
        )
        return status(400, {"error": {"message": told, "param": "input_tokens", "code": 400}})
    return None


def sglang_refuses(asked: Asked) -> Reply | None:
    """As SGLang does (`_validate_one_request` in its tokenizer_manager.py)."""
    limit = asked.body["max_tokens"]
    told = (
        f"Requested token count exceeds the model's maximum context length of {CONTEXT} tokens. "
        f"You requested a total of {PROMPT + limit} tokens: {PROMPT} tokens from the input messages"
    )
    return None if PROMPT + limit < CONTEXT else status(400, {"message": told, "code": 400})


LISTED = sends({"data": [{"id": "other", "max_model_len": 9}, {"id": "served"}]})


@pytest.mark.parametrize("limit", [30, 40, 512])
@pytest.mark.parametrize(
    ("refuses", "most"), [(vllm_refuses, CONTEXT - PROMPT), (sglang_refuses, CONTEXT - PROMPT - 1)]
)
def test_a_limit_that_the_context_cannot_hold_is_lowered_to_what_it_can(
    limit: int, refuses: Callable[[Asked], Reply | None], most: int
) -> None:
    def script(asked: Asked) -> Reply:
        return refuses(asked) or says("x", "length", usage={
            "prompt_tokens": PROMPT, "completion_tokens": asked.body["max_tokens"],
        })  # fmt: skip

    asked = [replace(request, max_tokens=limit) for request in requests(3) for _ in range(4)]
    asked = [replace(one, key=SampleKey(one.key.problem_id, n)) for n, one in enumerate(asked)]
    with BadServer(script, models=LISTED) as server:
        opened = engine(server.url)
        got = list(opened.generate(iter(asked)))
    assert {completion.completion_tokens for completion in got} == {most}
    assert {completion.finish_reason for completion in got} == {"length"}
    assert opened.counters == {"limits lowered": 12, "prompts measured": 3}


def test_the_listed_context_is_believed_where_the_refusal_states_none() -> None:
    def script(asked: Asked) -> Reply:
        if asked.body["max_tokens"] + PROMPT > CONTEXT:
            return status(
                400, {"error": {"message": "Too many.", "code": "context_length_exceeded"}}
            )
        return echo(asked)

    listed = sends({"data": [{"id": "served", "max_model_len": CONTEXT}]})
    with BadServer(script, models=listed) as server:
        ask(engine(server.url), [replace(one, max_tokens=99) for one in requests(2)])
    assert max(a.body["max_tokens"] for a in server.asked if a.body["max_tokens"] < 99) == 29


def test_a_prompt_that_leaves_no_room_is_an_overflow_in_the_servers_words() -> None:
    told = "This model's maximum context length is 1,024 tokens. \x1b[2J" + "long " * 200
    fault = {"error": {"message": told, "param": "max_tokens", "code": 400}}

    def script(asked: Asked) -> Reply:
        return status(400, fault) if "question 5\n" in asked.prompt else echo(asked)

    with BadServer(script) as server:
        got = ask(engine(server.url, concurrency=1), requests(8))
    assert (got["p/5"].finish_reason, got["p/5"].completion_tokens) == ("overflow", 0)
    assert (got["p/5"].error or "").startswith("HTTP 400: This model's maximum context length")
    assert sum(completion.finish_reason == "stop" for completion in got.values()) == 7


def test_a_server_that_counts_no_prompts_is_told_with_the_option_that_helps() -> None:
    def script(asked: Asked) -> Reply:
        return vllm_refuses(asked) or says("x", usage=None)

    with BadServer(script) as server:
        opened = engine(server.url)
        said, got = refused(opened, [replace(one, max_tokens=99) for one in requests(4)])
    assert "do not fit into 40 tokens, and the server does not say how many" in said
    assert "lower max_tokens (32)" in said
    assert not got


def test_a_limit_that_an_argument_sets_is_not_lowered() -> None:
    with BadServer(lambda asked: vllm_refuses(asked) or echo(asked)) as server:
        opened = engine(server.url, args={"max_tokens": None, "max_completion_tokens": 99})
        said, _ = refused(opened, requests(4))
    assert "max_tokens=99 cannot be greater" in said
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("told", "context"),
    [
        ("This model's maximum context length is 8192 tokens. However, you requested 9000", 8192),
        ("This model's maximum context length is 128,000 tokens, and 5 more", 128_000),
        ("max_tokens=9 cannot be greater than max_model_len=max_total_tokens=4096. Please", 4096),
        ("The input (99 tokens) is longer than the model's context length (40 tokens).", 40),
        ("exceeds the model's maximum context length of 64000 tokens. You requested 71897", 64_000),
        ("the request exceeds the available context size (2048 tokens)", 2048),
        ("the request exceeds the available context size, try increasing it", None),
        ("Your input exceeds the context window of this model, which is 200k", None),
        ("This model's maximum prompt length is 131072", None),
        ("litellm.ContextWindowExceededError: too much", None),
    ],
)
def test_how_servers_say_that_a_request_is_too_long(told: str, context: int | None) -> None:
    fault = ErrorBody(message=told)
    assert (fault.too_long, fault.context) == (True, context)


def test_other_refusals_are_not_about_the_length() -> None:
    for told in ("Invalid max_tokens value", "The content is too long for our filter", "no"):
        assert not ErrorBody(message=told).too_long


def test_a_context_that_nobody_states_is_told_with_the_option_that_helps() -> None:
    fault = {"error": {"message": "the request exceeds the available context size"}}
    with BadServer(lambda _: status(400, fault), models=LISTED) as server:
        said, got = refused(engine(server.url), requests(8))
    assert "do not fit into the model's context: lower max_tokens (32)" in said
    assert "once the server is well" not in said
    assert not got


# Failures that another attempt corrects


MENDED: dict[str, Reply] = {
    "slow": hangs,
    "429": status(429, Retry_After="0"),
    "408": status(408),
    "409": status(409),
    "500": status(500),
    "503, in HTML": sends(b"<html>\x1b[2Jbusy</html>", 503, Content_Type="text/html; charset=hex"),
    "cut off": cuts,
    "closed": closes,
    "malformed": sends(b'{"choices": [{"mess'),
    "nothing": sends(b""),
    "no text": sends(b"\xff\xfe\x00"),
    "no choices": sends({"error": "of ours"}),
    "empty choices": sends({"choices": []}),
    "null": sends(None),
    "other types": sends({"choices": [{"message": {"content": 3}, "finish_reason": "stop"}]}),
    "no message": sends({"choices": [{"finish_reason": "stop"}]}),
    "absurd usage": says("x", usage={"prompt_tokens": -1}),
    "deep": sends(b"[" * 100_000),
    "aborted": says("half", "abort"),
    "compressed unasked": sends(b"x" * 100, 200, Content_Encoding="gzip"),
    "endless": endless(),
    "endless error": endless(500),
}


@pytest.mark.parametrize("fault", MENDED, ids=str)
def test_what_another_attempt_mends_is_mended(fault: str) -> None:
    def script(asked: Asked) -> Reply:
        return MENDED[fault] if asked.attempt == 0 else echo(asked)

    with BadServer(script) as server:
        opened = engine(server.url, timeout=0.5 if fault == "slow" else DEADLINE)
        got = ask(opened, requests(6))
        server.wait_until(lambda: server.under_way == 0)
    assert all(c.finish_reason == "stop" and c.text.startswith("re: ") for c in got.values())
    assert opened.counters == {"retries": 6}
    assert len(server.asked) == 12
    if fault != "slow":  # what was given up is under way until the server hears of it
        assert server.peak <= 4


def test_no_more_is_read_of_an_endless_body_than_a_response_can_have() -> None:
    with BadServer(lambda asked: endless() if asked.attempt == 0 else echo(asked)) as server:
        ask(engine(server.url, concurrency=1), requests(1))
        server.wait_until(lambda: server.broken == 1)
        # Beside the limit of a megabyte, what the two sockets hold.
        assert server.sent < 24 << 20


def test_one_request_that_always_fails_is_an_error_and_the_rest_go_on() -> None:
    def script(asked: Asked) -> Reply:
        return status(500) if "question 2\n" in asked.prompt else echo(asked)

    with BadServer(script, models=sends({"data": []})) as server:
        opened = engine(server.url)
        got = ask(opened, requests(8))
    failed = {key for key, completion in got.items() if completion.finish_reason == "error"}
    assert failed == {"p/2"}
    assert got["p/2"].error == "HTTP 500: no"
    assert opened.counters == {"retries": 2}, "three attempts at one, one at each of the others"


def test_a_request_that_the_server_refuses_is_an_error_at_once() -> None:
    told = "The prompt was flagged by our filter. \x1b[2J" + "long " * 200
    fault = {"error": {"message": told, "param": "max_tokens", "code": 400}}

    def script(asked: Asked) -> Reply:
        return status(400, fault) if "question 5\n" in asked.prompt else echo(asked)

    with BadServer(script) as server:
        opened = engine(server.url, concurrency=1)
        got = ask(opened, requests(8))
    error = got["p/5"].error or ""
    assert got["p/5"].finish_reason == "error"
    assert error.startswith("HTTP 400: The prompt was flagged by our filter.")
    assert len(error) <= 320
    assert "\x1b" not in error
    assert "\\x1b[2J" in error
    assert sum(c.finish_reason == "stop" for c in got.values()) == 7
    assert not opened.counters


@pytest.mark.parametrize(
    ("reason", "finish", "error"),
    [
        ("length", "length", None),
        ("content_filter", "error", "the server ended it with 'content_filter': I was \\x1b going"),
        ("tool_calls", "error", "the server ended it with 'tool_calls': I was \\x1b going"),
        (None, "error", "the server ended it with 'no reason': I was \\x1b going"),
    ],
)
def test_how_a_response_ended(reason: str | None, finish: str, error: str | None) -> None:
    with BadServer(lambda _: says("I was \x1b going", reason)) as server:
        (completion,) = ask(engine(server.url), requests(1)).values()
    assert (completion.finish_reason, completion.error) == (finish, error)
    assert completion.text == ("" if finish == "error" else "I was \x1b going")
    assert completion.completion_tokens == 7


def test_a_model_that_says_nothing_has_an_empty_response() -> None:
    with BadServer(lambda _: says(None, "length", usage=None)) as server:
        (completion,) = ask(engine(server.url), requests(1)).values()
    assert (completion.text, completion.finish_reason) == ("", "length")
    assert completion.completion_tokens is None


# Failures that concern every request


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (status(401), "HTTP 401: no; it needs a key: set OPENAI_API_KEY"),
        (status(402), "when the account is in order"),
        (status(403), "does the server have the model 'served'"),
        (status(404, {"detail": "Not Found"}), "HTTP 404: Not Found; is base_url right"),
        (status(307, Location="http://127.0.0.1:9/v1/x"), "HTTP 307"),
        (status(429, {"error": {"message": "pay", "code": "insufficient_quota"}}), "HTTP 429: pay"),
        (status(400, {"error": {"message": "no", "param": "seed"}}), "engine_args seed=null"),
        (status(422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "top_k"]}]}),
         "engine_args top_k=null"),
        (status(400, {"error": {"message": "Unknown field: top_p"}}), "engine_args top_p=null"),
        (status(400, {"message": "Unsupported parameter: 'max_tokens'", "param": "max_tokens"}),
         "engine_args max_tokens=null"),
    ],
)  # fmt: skip
def test_what_no_retry_mends_is_told_at_once(reply: Reply, told: str) -> None:
    sampling = Sampling(temperature=1, top_k=5, top_p=0.9, max_tokens=32)
    with BadServer(lambda _: reply) as server:
        opened = engine(server.url, sampling=sampling)
        said, got = refused(opened, requests(8))
        assert server.url in said
    assert told in said
    assert not got
    assert not opened.counters


def test_a_server_that_is_not_there_is_told_after_all_attempts() -> None:
    with BadServer(echo) as server:
        url = server.url
    opened = engine(url, concurrency=1)
    said, got = refused(opened, requests(3))
    assert f"{url}: the connection failed (ConnectError" in said
    assert "does the server run" in said
    assert not got
    assert opened.counters == {"retries": 2}


def test_a_server_that_only_fails_is_given_up_and_nothing_is_kept() -> None:
    with BadServer(lambda _: status(500)) as server:
        opened = engine(server.url, attempts=2)
        said, got = refused(opened, requests(200))
    assert f"{IN_A_ROW} in a row failed, the last with: HTTP 500: no" in said
    assert "the same command goes on" in said
    assert not got
    assert len(server.asked) < 2 * (IN_A_ROW + 2 * 4), "the others were not even asked"


def test_a_server_that_refuses_everything_is_given_up() -> None:
    with BadServer(lambda _: status(400)) as server:
        said, got = refused(engine(server.url), requests(200))
    assert "HTTP 400: no" in said
    assert not got
    with BadServer(lambda _: status(400)) as server:
        said, got = refused(engine(server.url), requests(5))
    assert "5 in a row failed" in said
    assert "the server refuses such requests, so change what it names" in said
    assert "once the server is well" not in said
    assert not got


@pytest.mark.parametrize("models", [status(503), closes, hangs], ids=["503", "closed", "slow"])
def test_failures_at_the_end_are_not_kept_if_the_server_is_gone(
    models: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.engines.openai.engine.CONNECT_SECONDS", 1.0)
    last = requests(8)[-1].prompt.text

    def script(asked: Asked) -> Reply:
        return status(500) if asked.prompt == last else echo(asked)

    with BadServer(script, models=models) as server:
        said, got = refused(engine(server.url, concurrency=1), requests(8))
    assert "1 in a row failed" in said
    assert len(got) == 7


def test_a_last_request_that_the_server_cannot_answer_does_not_hold_a_run_up_for_ever() -> None:
    with BadServer(lambda _: status(500), models=sends({"data": []})) as server:
        got = ask(engine(server.url), requests(1))
    assert got["p/0"].finish_reason == "error"


# Concurrency and rate limits


def test_so_many_at_once_as_allowed_and_no_more() -> None:
    def script(asked: Asked) -> Reply:
        server.wait_until(lambda: server.peak >= 5)
        return echo(asked)

    with BadServer(script) as server:
        ask(engine(server.url, concurrency=5), requests(40))
    assert server.peak == 5


def test_requests_are_made_as_they_are_needed_and_in_the_callers_thread() -> None:
    threads, made, got = set(), 0, 0

    def owed() -> Iterator[Request]:
        nonlocal made
        for request in requests(50):
            threads.add(threading.get_ident())
            made += 1
            assert made <= got + 4
            yield request

    with BadServer(echo) as server:
        for _ in engine(server.url, concurrency=4).generate(owed()):
            got += 1
    assert (got, threads) == (50, {threading.get_ident()})


def test_closing_early_drops_what_is_under_way() -> None:
    def script(asked: Asked) -> Reply:
        return echo(asked) if "question 0\n" in asked.prompt else hangs

    with BadServer(script) as server:
        with closing(engine(server.url, concurrency=6).generate(iter(requests(50)))) as got:
            assert next(got).key.problem_id == "p/0"
            server.wait_until(lambda: server.under_way == 5)
            began = time.monotonic()
        assert time.monotonic() - began < 5
        server.wait_until(lambda: server.under_way == 0)
        assert server.broken == 5
    assert not [t for t in threading.enumerate() if t.name == "openai-engine"]


def test_a_failing_source_of_requests_is_no_answer_and_ends_the_thread() -> None:
    def owed() -> Iterator[Request]:
        yield from requests(3)
        raise ValueError("no more")

    with BadServer(echo) as server:
        for _ in range(50):  # so that some end while a connection's own task has not begun
            with pytest.raises(ValueError, match="no more"):
                list(engine(server.url).generate(owed()))
    assert not [t for t in threading.enumerate() if t.name == "openai-engine"]


def test_requests_a_minute_are_spread_and_retries_count() -> None:
    def script(asked: Asked) -> Reply:
        return status(500) if asked.attempt == 0 else echo(asked)

    with BadServer(script) as server:
        began = time.monotonic()
        ask(engine(server.url, requests_per_minute=1200), requests(5))
        assert time.monotonic() - began >= 9 * 0.05
    assert len(server.asked) == 10


def test_tokens_a_minute_are_what_was_used_and_not_what_was_feared() -> None:
    """Each may take 32 tokens and more for its prompt, and takes one: at 30 a second."""
    usage = {"prompt_tokens": 1, "completion_tokens": 0}
    with BadServer(lambda _: says("x", usage=usage)) as server:
        expected = 32 + len(requests(1)[0].prompt.messages[0]["content"]) / 4  # type: ignore[index]
        began = time.monotonic()
        ask(engine(server.url, tokens_per_minute=60 * expected * 2), requests(9))
        spent = time.monotonic() - began
    assert spent < 8 / 2, "what was not used is given back"
    with BadServer(lambda _: says("x", usage=None)) as server:
        began = time.monotonic()
        ask(engine(server.url, tokens_per_minute=60 * expected * 20), requests(5))
        assert time.monotonic() - began >= 4 / 20


def test_a_server_that_asks_to_be_left_alone_is() -> None:
    def script(asked: Asked) -> Reply:
        return status(429, Retry_After="1") if len(server.asked) == 1 else echo(asked)

    with BadServer(script) as server:
        opened = engine(server.url, concurrency=1)
        ask(opened, requests(3))
    first, *others = server.asked
    assert min(asked.arrived for asked in others) - first.arrived >= 1
    assert opened.counters == {"retries": 1}


amounts = st.floats(0.1, 30)


@given(st.lists(st.tuples(st.floats(0, 5), amounts, st.floats(-1, 1)), max_size=60))
def test_no_minute_has_more_than_its_limit(steps: list[tuple[float, float, float]]) -> None:
    """As if each went as soon as it may; corrections reach as far back as their credit."""
    limit, now = 60.0, 0.0
    pace = Pace(limit, clock=lambda: now)
    used: list[tuple[float, float]] = []
    for idle, amount, wrong in steps:
        now += idle
        now += pace.wait()
        assert pace.wait() == pytest.approx(0, abs=1e-6)
        pace.charge(amount)
        pace.correct(amount * wrong)
        used.append((now, amount + amount * wrong))
    for begin, _ in used:
        within = [amount for at, amount in used if begin <= at < begin + 60]
        assert sum(within) <= limit + pacing.CREDIT + max(within) + 1e-6


def test_requests_never_exceed_the_limit_of_any_minute() -> None:
    now = 0.0
    pace = Pace(6, clock=lambda: now)
    starts = []
    for idle in [0.0, 200.0, *[0.0] * 20]:
        now += idle
        now += pace.wait()
        pace.charge(1)
        starts.append(now)
    assert max(sum(a <= b < a + 60 - 1e-6 for b in starts) for a in starts) == 6


@given(st.integers(1, 10_000), st.integers(0, 100), st.floats(0, 1e9))
def test_a_wait_is_bounded_and_the_same_for_a_seed(attempt: int, seed: int, asked: float) -> None:
    wait = backoff(attempt, Random(seed), asked=asked)
    assert wait == backoff(attempt, Random(seed), asked=asked)
    least = min(asked, pacing.LONGEST_ASKED)
    assert least <= wait <= least + pacing.LONGEST_DELAY


def test_waits_grow() -> None:
    means = [sum(backoff(n, Random(s)) for s in range(200)) / 200 for n in (1, 2, 3, 4)]
    assert all(later > 1.6 * earlier for earlier, later in pairwise(means))


@given(st.text(max_size=30) | st.none())
def test_any_retry_after_is_understood_or_ignored(header: str | None) -> None:
    assert 0 <= asked_wait(header) <= pacing.LONGEST_ASKED


def test_retry_after_may_be_a_date() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    header = (now + timedelta(seconds=7)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert asked_wait(header, now=lambda: now) == 7
    assert asked_wait(header, now=lambda: now + timedelta(days=1)) == 0
    assert asked_wait("86400") == pacing.LONGEST_ASKED


# The key, and the URL


def everything_said(error: BaseException) -> str:
    """What any way of showing an error could show, locals aside."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        if (one := waiting.pop()) is not None and one not in seen:
            seen.append(one)
            waiting += [one.__cause__, one.__context__]
    return "".join("".join(traceback.format_exception(one)) + repr(one) for one in seen)


@pytest.mark.parametrize(
    "reply",
    [
        status(401, {"error": {"message": f"bad key {KEY}\nBearer {KEY}"}}),
        status(404, f"Authorization: Bearer {KEY}".encode(), Content_Type="text/html"),
        status(500, {"error": {"message": f"{KEY}"}}),
        sends(b" " * 4070 + f'{{"Authorization": "Bearer {KEY}"}}'.encode()),
        sends(f'{{"Authorization": "Bearer {KEY}"'.replace("/", "\\/").encode()),
        status(400, {"error": {"message": f"unknown {KEY}"}}),
    ],
)
def test_the_key_is_never_told(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", f"{KEY}\n")
    with BadServer(lambda _: reply) as server:
        opened = engine(server.url, key_variable="SOME_KEY")
        with pytest.raises(UserError) as caught:
            list(opened.generate(iter(requests(30))))
    assert server.asked[0].headers["Authorization"] == f"Bearer {KEY}"
    said = everything_said(caught.value) + repr(opened) + repr(vars(opened))
    for spelling in (KEY, KEY[:12], KEY.replace("/", "\\/")):
        assert spelling not in said
    assert "[the key]" in str(caught.value)


def test_the_key_is_not_in_a_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with BadServer(lambda asked: says(asked.headers["Authorization"])) as server:
        (completion,) = ask(engine(server.url), requests(1)).values()
    assert completion.text == "Bearer [the key]"


@pytest.mark.parametrize("key", ["two words", "n\u00e4ive", "a\x07b"])
def test_a_key_that_no_header_can_hold_is_not_shown(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UserError, match="no header can hold") as caught:
        engine("http://127.0.0.1:1/v1")
    assert key not in everything_said(caught.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (None, "no server is named"),
        ("127.0.0.1:8000/v1", "no URL of a server"),
        ("ftp://a/v1", "no URL of a server"),
        ("http://[", "no URL of a server"),
        ("http://a:99999/v1", "no URL of a server"),
        ("http://me:hunter2@a.example/v1", "a.example holds a user or a password"),
        ("http://hunter2@a.example/v1", "a.example holds a user or a password"),
        ("http://a.example/v1?key=hunter2", "has a part after"),
        ("http://a.example/v1#hunter2", "has a part after"),
    ],
)
def test_a_url_that_is_none_or_must_not_be_stored(url: str | None, told: str) -> None:
    with pytest.raises(UserError, match=told) as caught:
        OpenaiEngine.settings(EngineSpec(server=Server(base_url=url)))
    assert "hunter2" not in everything_said(caught.value)


def test_another_machine_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="api\\.example/v1 needs a key, and SOME_KEY is not set"):
        engine("https://api.example/v1", key_variable="SOME_KEY")
    monkeypatch.setenv("SOME_KEY", KEY)
    engine("https://api.example/v1", key_variable="SOME_KEY")
    for here in ("http://localhost:8000/v1", "http://[::1]:8000/v1", "http://127.1.2.3/v1"):
        engine(here)


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(UserError, match="pip install 'openai>="):
        engine("http://127.0.0.1:1/v1")


# The run's identity


def spec(url: str, *, model: str = "served", style: str = "boxed", **server: Any) -> EvalSpec:
    return EvalSpec(
        model=model,
        benchmarks=("demo",),
        limit=3,
        prompt=PromptSpec(style=style),
        engine=EngineSpec(name="openai", server=Server(base_url=url, **server)),
    )


def test_the_endpoint_and_the_model_decide_and_how_it_is_asked_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = prepare(spec("http://127.0.0.1:8000/v1")).identity
    assert one.model == {"served": "served"}
    assert one.engine.settings == {
        "url": "http://127.0.0.1:8000/v1", "args": {}, "neutral": [*NEUTRAL_VALUES],
    }  # fmt: skip
    assert "openai" in one.engine.versions
    same = prepare(spec("http://127.0.0.1:8000/v1/", concurrency=3, timeout=5, prompt_price=2))
    assert same.identity.fingerprint == one.fingerprint
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    named = spec("x").model_copy(update={"engine": EngineSpec(name="openai")})
    assert prepare(named).identity.fingerprint == one.fingerprint
    for other in (
        spec("http://127.0.0.1:8001/v1"),
        spec("http://127.0.0.1:8000/v1", model="other"),
        spec("http://127.0.0.1:8000/v1", style="qwen25-math"),
    ):
        assert prepare(other).identity.fingerprint != one.fingerprint


def test_a_server_promises_no_determinism() -> None:
    server = Server(base_url="http://127.0.0.1:8000/v1")
    engine = EngineSpec(name="openai", server=server, deterministic=True)
    with pytest.raises(UserError, match="the openai engine cannot promise"):
        prepare(spec("x").model_copy(update={"engine": engine}))


def test_the_sum_of_a_prompt_is_over_what_is_sent_and_replays_keep_theirs(tmp_path: Path) -> None:
    replay = replay_spec(write_responses(tmp_path / "r.jsonl", limit=3), limit=3)
    replayed = list(prepare(replay).prompts.values())
    assert all(prompt.messages is None for prompt in replayed)
    for prompt in replayed:
        assert prompt.checksum == hashlib.sha256(prompt.text.encode()).hexdigest()[:16]
    sent = list(prepare(spec("http://127.0.0.1:1/v1")).prompts.values())
    assert [prompt.text for prompt in sent] == [prompt.text for prompt in replayed]
    assert not {prompt.checksum for prompt in sent} & {prompt.checksum for prompt in replayed}
    turns = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})
    sums = {Prompt(text="ab", messages=turns[:n]).checksum for n in (1, 2)}
    assert len(sums) == 2


# The whole command


def command(url: str, results: Path, *arguments: str, limit: int = 12) -> list[str]:
    return [
        *(sys.executable, "-m", "harness", "eval", "--engine", "openai", "--base-url", url),
        *("--benchmarks", "demo", "--limit", str(limit), "--results", str(results), "--json"),
        *arguments,
    ]


def run(asked: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        asked, check=False, capture_output=True, text=True, env=os.environ | environment,
        timeout=280,
    )  # fmt: skip


def stored(results: Path) -> dict[str, Sample]:
    """The samples of the only run; none of them twice."""
    ((path, _),) = Catalogue(results).runs
    samples = list(map(Sample.from_json, (path / JOURNAL).read_bytes().splitlines()))
    assert len({sample.key for sample in samples}) == len(samples)
    return {sample.problem_id: sample for sample in samples}


def assert_nowhere(folder: Path, secret: str) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 1
    for path in files:
        assert secret.encode() not in path.read_bytes(), path


def test_the_command_stores_no_key_and_counts_what_it_used(tmp_path: Path) -> None:
    def script(asked: Asked) -> Reply:
        if asked.attempt == 0:
            return status(500, {"error": {"message": asked.headers["Authorization"]}})
        if len(server.asked) % 5 == 0:
            return status(400, {"error": {"message": f"no: {asked.headers['Authorization']}"}})
        return says(f"\\boxed{{1}} {asked.headers['Authorization']}")

    with BadServer(script) as server:
        asked = command(server.url, tmp_path, "--model", "m", "--concurrency", "1")
        done = run(asked, OPENAI_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stdout + done.stderr
    assert_nowhere(tmp_path, KEY)
    samples = stored(tmp_path)
    assert len(samples) == 12
    assert any("[the key]" in (sample.error or "") for sample in samples.values())
    usage = json.loads(done.stdout)["usage"]
    answered = [sample for sample in samples.values() if sample.finish_reason == "stop"]
    assert usage == {
        "samples": 12, "prompt_tokens": 11 * len(answered), "completion_tokens": 7 * len(answered),
        "events": {"retries": 12},
    }  # fmt: skip


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_server_that_dies_in_mid_run_leaves_no_errors_and_the_same_command_goes_on(
    tmp_path: Path,
) -> None:
    port = free_port()

    def dying(asked: Asked) -> Reply:
        if len(server.asked) <= 5:
            return echo(asked)
        threading.Thread(target=server.close).start()
        return hangs

    with BadServer(dying, port=port) as server:
        asked = command(server.url, tmp_path, "--model", "m", "--attempts", "2")
        broken = run([*asked, "--concurrency", "2"])
    assert broken.returncode == 1
    assert broken.stderr.strip().splitlines()[-1].startswith("harness: the openai engine: http://")
    assert "the same command goes on" in broken.stderr
    assert "Traceback" not in broken.stderr
    kept = stored(tmp_path)
    assert 0 < len(kept) <= 5
    assert all(sample.finish_reason == "stop" for sample in kept.values())

    with BadServer(echo, port=port) as server:
        done = run(asked)
    assert done.returncode == 0, done.stderr
    assert len(server.asked) == 12 - len(kept), "what was stored is not asked for again"
    after = stored(tmp_path)
    assert len(after) == 12
    assert {**after, **kept} == after
    assert all(sample.response.startswith("re: ") for sample in after.values())


def test_ctrl_c_ends_a_run_whose_server_is_silent(tmp_path: Path) -> None:
    with BadServer(lambda _: hangs) as server:
        process = subprocess.Popen(
            command(server.url, tmp_path, "--model", "m"),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            # Python ignores Ctrl-C where its parent does, as a shell's background job.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        server.wait_until(lambda: server.under_way == 12)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130, said
    assert "the same command goes on from there" in said
    assert server.broken == 12


# A run of it, in this process


def run_here(url: str, results: Path, **fields: Any) -> Result:
    """Evaluate three demo problems on a server, one request after the other."""
    asked = {"benchmarks": "demo", "limit": 3, "engine": "openai", "concurrency": 1, **fields}
    return evaluate("served", base_url=url, results=results, **asked)


def shown(results: Path, *arguments: str) -> str:
    done = CliRunner().invoke(cli, ["show", *arguments, "--results", str(results)])
    assert done.exit_code == 0, done.output
    return done.output


ONLY_REASONED = {"content": None, "reasoning_content": "so it is \x1b[2J \\boxed{4}"}


@pytest.fixture
def thinker() -> Iterator[BadServer]:
    """Return a server whose first answer is only reasoning; the others have none."""

    def script(asked: Asked) -> Reply:
        if len(server.asked) > 1:
            return says("It is \\boxed{1}.")
        usage = {"prompt_tokens": 11, "completion_tokens": 30, "reasoning_tokens": 29}
        return replies(ONLY_REASONED, usage, "length")

    with BadServer(script) as server:
        yield server


def test_a_reply_that_only_reasons_is_kept_shown_and_told_loudly(
    thinker: BadServer, tmp_path: Path
) -> None:
    run = run_here(thinker.url, tmp_path, max_tokens=30)
    assert run.run is not None
    assert run.path is not None
    (score,) = run.run.scores
    assert (score.empty, score.at_limit, score.at_context) == (1, 1, 0)
    assert "EMPTY RESPONSES: 1 of 3 samples of demo ended without any text" in str(run)
    assert "raise --max-tokens" in str(run)
    first, *others = stored(tmp_path).values()
    assert (first.response, first.reasoning) == ("", ONLY_REASONED["reasoning_content"])
    assert first.reasoning_tokens == 29
    lines = (run.path / JOURNAL).read_text(encoding="utf-8").splitlines()
    assert ["reasoning" in line for line in lines] == [True, False, False]
    assert [(one.reasoning, one.is_empty) for one in others] == [(UNSET, False)] * 2
    frame = run.samples().to_pandas()
    assert frame["reasoning"].notna().tolist() == [True, False, False]

    said = shown(tmp_path, "served", "--problem", first.problem_id)
    assert "--- reasoning, which is not graded\nso it is \\x1b[2J \\boxed{4}\n" in said
    assert "30 tokens (29 of reasoning), ended by length, seed" in said
    assert "(empty, although tokens were generated for it)" in said
    assert "EMPTY RESPONSES" in shown(tmp_path, "served")
    page = write_report(run, tmp_path / "page.html", results=tmp_path)
    assert page.is_file()

    (run.path / JOURNAL).unlink()
    again = regrade(run, results=tmp_path)
    kept = {sample.problem_id: sample for sample, _ in again.samples()}
    assert kept[first.problem_id].reasoning == first.reasoning
    assert again.run is not None
    assert again.run.scores[0].empty == 1
    imported = import_generations(run.path, name="theirs", results=tmp_path)
    assert {sample.reasoning for sample, _ in imported.samples()} == {first.reasoning, UNSET}


def test_a_run_without_reasoning_has_the_files_that_it_always_had(tmp_path: Path) -> None:
    with BadServer(lambda _: says("It is \\boxed{1}.")) as server:
        run = run_here(server.url, tmp_path)
    assert run.path is not None
    line = json.loads((run.path / JOURNAL).read_bytes().splitlines()[0])
    assert [*line] == [
        "problem_id", "index", "response", "finish_reason", "seed", "prompt_sum", "prompt_tokens",
        "completion_tokens", "error",
    ]  # fmt: skip
    assert [*run.samples().to_pandas().columns] == [*COLUMNS]
    assert [*next(read_parquet(run.path))] == [*COLUMNS]
    record = json.loads((run.path / RECORD).read_text(encoding="utf-8"))
    assert not {"empty", "at_context"} & record["scores"][0].keys()
    assert record["usage"]["events"] == {}


def test_what_a_server_refuses_is_in_the_record_and_told(tmp_path: Path) -> None:
    def script(asked: Asked) -> Reply:
        refused = {"top_k", "min_p"} & asked.body.keys()
        told = {"error": {"message": f"Unrecognized arguments: {', '.join(sorted(refused))}"}}
        return status(400, told) if refused else echo(asked)

    with BadServer(script) as server:
        run = run_here(server.url, tmp_path)
        assert run.run is not None
        assert run.run.usage.events == {"without min_p": 3, "without top_k": 3}
        assert all("top_k" not in asked.body for asked in server.asked[-3:])
    told = "the server accepts no min_p, top_k, so they were left out"
    assert told in str(run)
    assert told in shown(tmp_path, "served")
    assert "its requests stated only the sampling" not in str(run)


def test_a_run_of_an_earlier_version_says_that_the_server_may_have_chosen_its_sampling(
    tmp_path: Path,
) -> None:
    now = EngineIdentity(name="openai", versions={}, settings={"neutral": []})
    old = now.model_copy(update={"settings": {"args": {}}})
    with BadServer(echo) as server:
        run = run_here(server.url, tmp_path).run
    assert run is not None
    for engine, count in ((now, 0), (old, 1)):
        identity = run.identity.model_copy(update={"engine": engine})
        notes = score_notes(run.model_copy(update={"identity": identity}), tmp_path)
        assert sum("from the model's generation config" in note for note in notes) == count


def test_a_context_that_cuts_responses_is_told_apart_from_the_token_limit(tmp_path: Path) -> None:
    """The first prompt leaves room for 29 tokens, and the others for all of the 30."""

    def script(asked: Asked) -> Reply:
        limit, is_first = asked.body["max_tokens"], asked.prompt == server.asked[0].prompt
        usage = {"prompt_tokens": PROMPT if is_first else 5, "completion_tokens": limit}
        return (is_first and vllm_refuses(asked)) or says("cut", "length", usage=usage)

    with BadServer(script) as server:
        run = run_here(server.url, tmp_path, max_tokens=30)
    assert run.run is not None
    (score,) = run.run.scores
    assert (score.at_limit, score.at_context, score.empty) == (3, 1, 0)
    assert run.run.usage.events == {"limits lowered": 1, "prompts measured": 1}
    assert "demo: 1 of 3 responses that were cut off ended before the limit of 30" in str(run)
    first, second, _ = stored(tmp_path)
    said = shown(tmp_path, "served", "--problem", first)
    assert "29 tokens, ended by length (the context was full before the token limit)" in said
    assert "30 tokens, ended by length, seed" in shown(tmp_path, "served", "--problem", second)


def test_a_run_whose_every_request_failed_is_an_error_and_no_score(tmp_path: Path) -> None:
    port = free_port()
    with BadServer(lambda _: status(400), models=sends({"data": []}), port=port) as server:
        with pytest.raises(UserError, match=r"failed on every request, 2 in all, .* HTTP 400: no"):
            run_here(server.url, tmp_path, limit=2)
        done = CliRunner().invoke(
            cli,
            ["eval", "--engine", "openai", "--base-url", server.url, "--model", "served",
             "--benchmarks", "demo", "--limit", "2", "--concurrency", "1",
             "--results", str(tmp_path)],
        )  # fmt: skip
        assert isinstance(done.exception, UserError), "which ends the command with 1"
    ((_, run),) = Catalogue(tmp_path).runs
    assert (run.status, run.scores) == ("incomplete", ())
    with BadServer(echo, port=port) as server:
        assert run_here(server.url, tmp_path, limit=2).run is not None
    ((_, run),) = Catalogue(tmp_path).runs
    assert (run.status, run.usage.samples) == ("complete", 6)


@pytest.mark.parametrize("engine", ["openai", "vllm", "ray", "hf", "replay"])
@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"key_variable": KEY}, "key_variable names the environment variable"),
        ({"key_variable": "gsk_0123456789abcdefghij"}, "key_variable names the environment"),
        ({"engine_args": {"api_key": KEY}}, "engine_args api_key: this holds a secret"),
        ({"engine_args": {"hf_token": KEY}}, "engine_args hf_token: this holds a secret"),
        ({"engine_args": {"extra_headers": {"A": KEY}}}, "engine_args extra_headers: this holds"),
        ({"engine_args": {"extra_body": {"authorization": KEY}}}, "extra_body.authorization"),
        ({"engine_args": {"user": f"sk-{'0123' * 9}"}}, "engine_args user: this holds a secret"),
    ],
)
def test_a_setting_with_a_secret_is_refused_without_repeating_it(
    engine: str, setting: dict[str, Any], told: str
) -> None:
    spec = make_spec({"model": "m", "engine": engine, "base_url": "http://127.0.0.1:1", **setting})
    with pytest.raises(UserError) as caught:
        ENGINES[engine].require_recorded(spec.engine)
    assert told in str(caught.value)
    said = everything_said(caught.value)
    assert "0123" not in said
    assert "OPENAI_API_KEY" in said


def test_an_engine_that_is_opened_directly_does_not_tell_a_key_either() -> None:
    with pytest.raises(UserError, match="key_variable names the environment") as caught:
        engine("https://api.example/v1", key_variable=KEY)
    assert KEY not in everything_said(caught.value)


def test_a_key_in_place_of_a_variables_name_is_neither_shown_nor_stored(tmp_path: Path) -> None:
    for option in ("--key-variable", KEY), ("--engine-arg", f"api_key={KEY}"):
        done = CliRunner().invoke(
            cli,
            ["eval", "--engine", "openai", "--base-url", "http://127.0.0.1:1/v1",
             "--model", "served", "--benchmarks", "demo", "--results", str(tmp_path), *option],
        )  # fmt: skip
        assert isinstance(done.exception, UserError)
        assert KEY not in done.output + everything_said(done.exception)
        assert not [*tmp_path.rglob("*")]


# A real server


@contextmanager
def vllm_serve(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run vLLM's own server with the demo model. It ends with this test, and its engine with it.

    The model's generation config asks for another sampling, which a request must not get.
    """
    log, model = folder / "server.log", copytree(MODEL_PATH, folder / "model")
    config = json.loads((model / "generation_config.json").read_text(encoding="utf-8"))
    config |= {"repetition_penalty": 1.5, "top_k": 1, "top_p": 0.1, "min_p": 0.9}
    (model / "generation_config.json").write_text(json.dumps(config), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)),
        *("--served-model-name", "demo", "--dtype", "float32", "--enforce-eager"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--kv-cache-memory-bytes", str(1 << 28)),
        # This saves a third process. It needs VLLM_ENABLE_V1_MULTIPROCESSING=0, which is set below.
        *("--distributed-executor-backend", "uni"),
    ]
    environment = os.environ | {
        DRIVER: str(os.getpid()),
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    }
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
        try:
            deadline = time.monotonic() + 300
            while not answers(f"http://127.0.0.1:{port}/health"):
                assert process.poll() is None, log.read_text(errors="replace")[-4000:]
                assert time.monotonic() < deadline, log.read_text(errors="replace")[-4000:]
                time.sleep(0.2)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=5) as reply:
        return bool(reply.status == 200)
    return False


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_a_real_server_says_what_the_engine_says(greedy: Path, tmp_path: Path) -> None:
    """All is checked in one test, since a server takes half a minute to start."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1"
    with vllm_serve(port, tmp_path):
        asked = command(
            url, tmp_path / "served", "--model", "demo", "--max-tokens", "512", limit=24
        )
        done = run(asked, OPENAI_API_KEY=KEY)
        assert done.returncode == 0, done.stderr
        assert_same(stored(greedy), stored(tmp_path / "served"))
        assert_nowhere(tmp_path / "served", KEY)
        usage = json.loads(done.stdout)["usage"]
        for count in ("prompt_tokens", "completion_tokens"):
            assert usage[count] == sum(
                getattr(s, count) for s in stored(tmp_path / "served").values()
            )
        assert_real_prompts_and_samples(url)


def assert_same(ours: dict[str, Sample], theirs: dict[str, Sample]) -> None:
    assert ours.keys() == theirs.keys()
    same = [key for key in ours if ours[key].response == theirs[key].response]
    assert len(same) >= 22, "greedy in float32: two rounding differences at most"
    for key in ours:
        assert ours[key].prompt_tokens == theirs[key].prompt_tokens, "the same template"
    for key in same:
        assert ours[key].completion_tokens == theirs[key].completion_tokens
        assert ours[key].finish_reason == theirs[key].finish_reason


def assert_real_prompts_and_samples(url: str) -> None:
    """The server makes as many tokens of each style as we do, and draws by the seed."""
    tokenizer = open_checkpoint("demo").tokenizer
    for style in PROMPT_STYLES:
        got = ask(engine(url, model="demo"), requests(2, style=style))
        questions = [f"question {i}" for i in range(2)]
        for i, prompt in enumerate(render(PROMPT_STYLES[style], questions, tokenizer=tokenizer)):
            assert got[f"p/{i}"].prompt_tokens == len(prompt.token_ids or ()), style
    sampling = Sampling(temperature=1.5, top_k=50, max_tokens=32)
    asked = [
        Request(key=SampleKey("p", i), prompt=requests(1)[0].prompt, max_tokens=8, seed=i)
        for i in range(8)
    ]
    drawn = list(engine(url, model="demo", sampling=sampling).generate(iter(asked)))
    assert len({completion.text for completion in drawn}) > 4
    assert {completion.completion_tokens for completion in drawn} <= set(range(1, 9))
    for limit in (1020, 100_000):  # the first is refused for the sum, the second by itself
        opened = engine(url, model="demo")
        (completion,) = opened.generate([replace(requests(1)[0], max_tokens=limit)])
        assert completion.finish_reason in ("stop", "length"), completion.error
        assert opened.counters == {"limits lowered": 1, "prompts measured": 1}


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"completion_tokens": 64, "reasoning_tokens": 57, "total_tokens": 75}, 64),
        ({"completion_tokens": 7, "reasoning_tokens": 57, "total_tokens": 75}, 64),
        ({"completion_tokens": 40, "reasoning_tokens": 24, "total_tokens": 75}, 64),
        ({"completion_tokens": 7, "reasoning_tokens": 57}, 64),
        ({"completion_tokens": 64, "reasoning_tokens": 57, "total_tokens": "?"}, 64),
        ({"completion_tokens": 7}, 7),
    ],
)
def test_reasoning_is_a_part_of_the_response_however_a_server_counts(
    usage: dict[str, object], tokens: int
) -> None:
    found = _Usage.model_validate({"prompt_tokens": 11, **usage})
    assert found.response == tokens
