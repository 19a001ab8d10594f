"""What must not be stored: keys and passwords that a setting would put into a run's record.

A record is handed on, and `results/` may be in git. So a secret comes from the environment, and
a setting at most names the variable that holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""The name of an environment variable, as POSIX has it (Base Definitions, chapter 8.1)."""
SECRET_WORDS = {
    "apikey", "authorization", "bearer", "cookie", "cookies", "credential", "credentials",
    "header", "headers", "passphrase", "passwd", "password", "pwd", "secret", "secrets",
}  # fmt: skip
"""A setting with one of these words in its name holds a secret. Headers often do."""
PLAIN_KEYS = {"cache", "group", "query", "sort"}
"""Before ``key`` these words make it no secret one."""
TOKENS_OF_TEXT = {
    "audio", "bos", "bot", "cls", "end", "eos", "eot", "every", "first", "image", "last", "mask",
    "next", "pad", "per", "sep", "special", "start", "stop", "text", "think", "unk", "video",
}  # fmt: skip
"""Before ``token`` these words make it a token of the model's text, and no secret."""
SECRET_VALUE = re.compile(
    r"\s*(?:(?:Bearer|Basic)\s+\S{8}|(?:sk-|hf_|gsk_|xai-|ghp_|AIza)[\w\-]{16})"
)
"""How keys of well-known services, and headers with a key, begin."""


def names_variable(text: str) -> bool:
    """Say whether a text can be the name of an environment variable, and does not look like a key.

    >>> names_variable("OPENAI_API_KEY"), names_variable("my_key"), names_variable("sk-abc")
    (True, True, False)
    >>> names_variable("gsk_0123456789abcdef"), names_variable("hf_AbCdEfGhIjKlMnOpQrSt")
    (False, False)
    """
    return VARIABLE.fullmatch(text) is not None and not any(map(_looks_random, text.split("_")))


def _looks_random(word: str) -> bool:
    """Say whether a word is long and mixed, as keys are and the words of a name are not."""
    kinds = [bool(re.search(kind, word)) for kind in ("[0-9]", "[a-z]", "[A-Z]")]
    return len(word) >= 16 and sum(kinds) > 1


def secrets_in(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of nested settings that hold a secret, such as ``extra_headers``.

    The values are not told. None, True and False are no secrets.

    >>> list(secrets_in({"hf_token": "x", "max_tokens": 5, "a": {"api_key": "y"}, "stop": "</s>"}))
    ['hf_token', 'a.api_key']
    """
    for name, value in values.items():
        if value is None or isinstance(value, bool):
            continue
        is_key = isinstance(value, str) and SECRET_VALUE.match(value) is not None
        if is_key or _is_secret_name(str(name)):
            yield str(name)
        elif isinstance(value, Mapping):
            yield from (f"{name}.{inner}" for inner in secrets_in(value))
        elif isinstance(value, list | tuple):
            yield from secrets_in({f"{name}[{n}]": one for n, one in enumerate(value)})


def _is_secret_name(name: str) -> bool:
    words = re.findall("[a-z0-9]+", re.sub("([a-z])([A-Z])", r"\1_\2", name).lower())
    if SECRET_WORDS & set(words):
        return True
    last, before = (words or [""])[-1], words[-2] if len(words) > 1 else ""
    if last in ("token", "tokens") and before in ("access", "auth", "hf", "refresh"):
        return True
    if last == "token":
        return before not in TOKENS_OF_TEXT
    return last in ("key", "keys") and before not in PLAIN_KEYS
