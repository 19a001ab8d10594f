"""Which settings hold a secret, and which only sound like it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.common.secrets import names_variable, secrets_in


@pytest.mark.parametrize(
    "name",
    [
        "api_key", "apikey", "api-key", "APIKey", "apiKey", "x-api-key", "openai_api_key", "key",
        "hf_token", "token", "auth_token", "access_tokens", "authorization", "Authorization",
        "extra_headers", "headers", "default_headers", "password", "db_password", "passwd",
        "client_secret", "secret", "aws_secret_access_key", "credentials", "cookie",
        "subscription-key", "private_key", "openai_key", "vendor_key",
    ],
)  # fmt: skip
def test_a_name_of_a_secret(name: str) -> None:
    assert list(secrets_in({name: "x"})) == [name]
    assert list(secrets_in({"a": {"b": {name: {"x": 1}}}})) == [f"a.b.{name}"]
    assert not list(secrets_in({name: None})), "which leaves the parameter out"
    assert not list(secrets_in({name: True})), "which tells a library to look for its own"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 5), ("max_completion_tokens", 5), ("stop_token_ids", [1]), ("min_tokens", 1),
        ("max_num_batched_tokens", 99), ("eos_token", "</s>"), ("skip_tokenizer_init", 1),
        ("think_end_token", "</think>"), ("long_prefill_token_threshold", 4), ("cache_key", "x"),
        ("prompt_cache_key", "x"), ("reasoning_effort", "high"), ("top_k", 5), ("seed", 1),
        ("keyframes", 3), ("monkey", "x"), ("author", "x"), ("gpu_memory_utilization", 0.8),
        ("load_format", "safetensors"), ("user", "sk"), ("stop", ["sk-", "Basic idea"]),
        ("hf_overrides", {"architectures": ["hf_model"]}), ("download_dir", "/a/sk-1/hf_cache"),
        ("note", "hf_transformers"),
    ],
)  # fmt: skip
def test_a_name_of_something_else(name: str, value: Any) -> None:
    assert not list(secrets_in({name: value}))


@pytest.mark.parametrize(
    "value",
    [
        "Bearer abcdefgh1",
        " sk-proj-0123456789abcdef",
        "hf_AbCdEfGhIjKlMnOpQrSt",
        "Basic dXNlcjpwdw==",
    ],
)
def test_a_value_that_is_a_key_is_one_under_any_name(value: str) -> None:
    assert list(secrets_in({"user": value})) == ["user"]
    assert list(secrets_in({"a": {"stop": ["x", value]}})) == ["a.stop[1]"]


def test_a_secret_deep_within_a_setting() -> None:
    assert list(secrets_in({"a": [{"b": 1}, [{"api_key": "x"}]]})) == ["a[1][0].api_key"]


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "KEY2", "_k", "my_company_openai_key_2024_prod", "AZURE_KEY_EASTUS2"]
)
def test_a_name_of_a_variable(name: str) -> None:
    assert names_variable(name)


@pytest.mark.parametrize(
    "text",
    [
        "", "sk-0123", "sk-proj-abc_def", "2KEY", "A KEY", "KEY\n", "K\u00c9Y", "A=B", "$KEY",
        "gsk_0123456789abcdefghijABCDEFGHIJ", "AIzaSyA0123456789abcdefghijklmnopqrstuv",
        "hf_AbCdEfGhIjKlMnOpQrStUvWxYz", "0123456789abcdef0123456789abcdef",
    ],
)  # fmt: skip
def test_what_is_none_or_looks_like_a_key(text: str) -> None:
    assert not names_variable(text)
