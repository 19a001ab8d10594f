"""A checkpoint on disk: its identity, its tokenizer and its context length.

A model is identified by the content of its files and not by its path: the
checksums of weights, configuration, tokenizer, template and code.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import UserError, WrongValueError
from benchmarks.hints import setting
from harness.common.files import file_sum
from harness.models.special_tokens import NO_MARKS, SpecialTokens, decoded, special_tokens
from harness.models.trust import (
    Part,
    declared_context,
    first_line,
    load_config,
    read_config,
    refuse_untrusted,
)
from harness.models.weights import PICKLED, SAFE, refuse_redirected, weight_files

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IDENTITY_SUFFIXES = (".json", ".jinja", ".model", ".tiktoken", ".txt", ".py")
"""The suffixes of the files beside the weights that can change a response."""
RECORDS = ("build.json", "lineage.json", "trainer_state.json")
"""JSON files that record a checkpoint's history, and change no response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A model whose tokenizer is loaded, and whose weights an engine can load."""

    path: Path
    """The checkpoint's folder."""
    summing: Future[dict[str, str]]
    """The future of `files`. Weights may be many gigabytes, so their checksums are computed in the
    background, while problems are read and rendered."""
    tokenizer: PreTrainedTokenizerBase
    stop_token_ids: tuple[int, ...]
    """The ids of all tokens that end a response; see `stop_token_ids`."""
    context_length: int
    """The most tokens of prompt and response together."""
    special: SpecialTokens = NO_MARKS
    """Which special tokens a response keeps, and which are left out of its text."""

    @property
    def files(self) -> dict[str, str]:
        """The sha256 of every file that can change a response, by file name."""
        return self.summing.result()

    def decoded(self, tokens: Sequence[int]) -> str:
        """Return the text of a response, whose last token is not among the stop tokens."""
        return decoded(tokens, self.tokenizer, self.special)


def find_model(name: str, revision: str | None = None, *, allow_pickle: bool = False) -> Path:
    """Return the folder of the checkpoint called ``name``.

    ``name`` is a folder, ``demo`` for the embedded model, or a Hugging Face id,
    which is downloaded (at ``revision``) into Hugging Face's cache. Pickled weights are
    downloaded only if they are allowed and there are no others.

    Raises:
        UserError: there is no such folder, it is not a checkpoint, or the download fails.
    """
    if name == "demo":
        from harness.demo import MODEL_PATH

        return MODEL_PATH
    folder = Path(name).expanduser()
    if _is_folder(folder):
        if not (folder / "config.json").is_file():
            raise WrongValueError(
                f"model {name}: the folder has no config.json; "
                "a model is a checkpoint in Hugging Face format"
            )
        return folder
    if name.startswith((".", "/", "~")) or name.count("/") != 1 or folder.exists():
        raise WrongValueError(
            f"model {name}: there is no such folder; a model is a checkpoint's folder, "
            "a Hugging Face id (owner/name), or 'demo'"
        )
    folder = _download(name, revision, SAFE)
    if allow_pickle and not any(folder.glob(f"*{SAFE}")):
        folder = _download(name, revision, *PICKLED)
    return folder


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # longer than a path may be, or in a folder that may not be looked into
        return False


def _download(name: str, revision: str | None, *weights: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=["*" + suffix for suffix in (*IDENTITY_SUFFIXES, *weights)],
                ignore_patterns=["*/*", "*.gguf", "*.onnx"],
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = first_line(error)
        raise UserError(
            f"model {name}: there is no such folder, and the Hugging Face hub did not provide it: "
            f"{reason}"
        ) from error
    except ValueError as error:  # what huggingface_hub says of a name that no model can have
        raise WrongValueError(
            f"model {name}: there is no such folder, and this is no Hugging Face id (owner/name): "
            f"{first_line(error)}"
        ) from error


def identity_files(folder: Path, *, allow_pickle: bool = False) -> list[Path]:
    """Return the files of a checkpoint that can change a response, sorted.

    Raises:
        UserError: it has no weights of an allowed kind, or they are not in its folder.
    """
    beside = (
        path
        for path in folder.iterdir()
        if path.is_file() and path.suffix in IDENTITY_SUFFIXES and path.name not in RECORDS
    )
    return sorted({*beside, *weight_files(folder, allow_pickle=allow_pickle)})


def file_sums(paths: Iterable[Path]) -> dict[str, str]:
    """Return the sha256 of each file by name. Files are read in parallel: hashing frees the GIL."""
    paths = list(paths)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return dict(zip((p.name for p in paths), pool.map(file_sum, paths), strict=True))


def open_checkpoint(
    name: str,
    *,
    revision: str | None = None,
    trust_model: bool = False,
    trust_tokenizer: bool = False,
    allow_pickle: bool = False,
    max_model_len: int | None = None,
) -> Checkpoint:
    """Find a checkpoint, start to checksum its files, and load its tokenizer but not its weights.

    Raises:
        UserError: there is no such checkpoint, it needs code that is not trusted, its weights are
            pickled and that is not allowed, or ``max_model_len`` is more than the context length
            that it declares.
    """
    path = find_model(name, revision, allow_pickle=allow_pickle)
    allowed: list[tuple[Part, bool]] = [("model", trust_model), ("tokenizer", trust_tokenizer)]
    trusted = [part for part, trust in allowed if trust]
    refuse_untrusted(path, name=name, trusted=trusted, part_by_part=True)
    refuse_redirected(path, runs_code=trust_model or trust_tokenizer)
    load_config(path, name=name, trust=trust_model)  # fails at once where an engine fails later
    summer = ThreadPoolExecutor(max_workers=1)
    summing = summer.submit(file_sums, identity_files(path, allow_pickle=allow_pickle))
    summer.shutdown(wait=False)
    tokenizer = load_tokenizer(path, name=name, trust=trust_tokenizer)
    declared = declared_context(path, name=name, trust=trust_model)
    if max_model_len is not None and declared is not None and max_model_len > declared:
        raise WrongValueError(
            f"{setting('max_model_len')} {max_model_len} is more than the {declared} tokens "
            f"that {name} declares; give {declared} or less"
        )
    return Checkpoint(
        path=path,
        summing=summing,
        tokenizer=tokenizer,
        stop_token_ids=stop_token_ids(path, tokenizer),
        context_length=max_model_len or declared or 4096,
        special=special_tokens(tokenizer),
    )


def load_tokenizer(path: Path, *, name: str, trust: bool) -> PreTrainedTokenizerBase:
    """Return a checkpoint's tokenizer.

    Args:
        path: the checkpoint's folder.
        name: what the user calls the checkpoint, for the message.
        trust: whether a tokenizer class of the checkpoint's own may run.

    Raises:
        UserError: it cannot be loaded.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            path, trust_remote_code=trust
        )
    except Exception as error:  # a tokenizer's file may hold anything; its reader raises any class
        raise UserError(
            f"model {name}: its tokenizer cannot be loaded: {first_line(error)}"
        ) from error
    return tokenizer


def stop_token_ids(path: Path, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Return the ids of all tokens that end a response, sorted.

    They are those of the tokenizer, the generation config and the model's config. They do not
    depend on the checkpoint's name: a harness that chooses them by a part of the path decodes a
    renamed checkpoint differently.
    """
    found: set[int] = set()
    if isinstance(tokenizer.eos_token_id, int):
        found.add(tokenizer.eos_token_id)
    for file in ("generation_config.json", "config.json"):
        declared = read_config(path / file).get("eos_token_id")
        tokens = declared if isinstance(declared, list) else [declared]
        found.update(token for token in tokens if isinstance(token, int))
    return tuple(sorted(found))
