"""The cause of a failure is found in what verl, Ray, Hydra and vLLM write of it.

The files in `logs/` were written by the real libraries when they were made to fail; what could
not be provoked is given here in the words of their source.
"""

import re
from pathlib import Path

import pytest

from harness.common.tracebacks import TAIL
from trainers.verl import command as verl_command
from trainers.verl import keys
from trainers.verl.advice import ADVICE, DIED
from trainers.verl.failures import LONGEST, cause_of, cause_of_wait

LOGS = Path(__file__).parent / "logs"

REAL = {
    # The log: how the paragraph begins, and what it advises.
    "hydra-unknown-key": (
        "Could not override 'nonsense'. Key 'nonsense' is not in struct",
        "check the --set",
    ),
    "hydra-traceback": (
        "TypeError: not all arguments converted during string formatting "
        "(config.py line 124, in validate_config)",
        "",
    ),
    "data-columns": ("KeyError: 'reward_model'", "harness data build"),
    "unknown-architecture": (
        "ValueError: The checkpoint you are trying to load has model type `strange` but",
        "give --trust-remote-code",
    ),
    "unknown-model": ("LocalEntryNotFoundError: Cannot find the requested files", "check --model"),
    "ray-out-of-memory": (
        "OutOfMemoryError: 1 worker(s) were killed due to the node running low on memory.",
        "the machine's memory is full",
    ),
    "ray-no-cluster": ("[2026-11-25 13:23:40,882 W", "no Ray cluster answers at that address"),
    "ray-start-timeout": (
        "Exception: The current node timed out during startup.",
        "the machine is busy",
    ),
    "actor-died": (
        "ActorDiedError: The actor died unexpectedly before finishing this task;",
        "most often the system killed it for needing too much memory",
    ),
    "no-flash-attention": ("ImportError: FlashAttention2 has been toggled on", "=sdpa"),
    "vllm-unknown-architecture": (
        "ValidationError: 1 validation error for ModelConfig Value error, Model architectures "
        "['StrangeForCausalLM'] are not supported",
        "does not know this model's architecture",
    ),
    "torchrun-rank": (
        "ValueError: sequence_length=79 is larger than self.max_length=60 "
        "(multiturn_sft_dataset.py line 406, in __getitem__)",
        "",
    ),
    "vllm-engine-killed": (
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.",
        "vLLM's engine died and left no error of its own: most often the system killed it",
    ),
    "vllm-weight-sync": (
        "AttributeError: 'Parameter' object has no attribute 'weight_loader' (linear.py line 1338",
        "",
    ),
    "vllm-no-cache": ("ValueError: No available memory for the cache blocks.", "VLLM_CPU_KVCACHE"),
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "launch-1.log"


@pytest.mark.parametrize("name", sorted(path.stem for path in LOGS.glob("*.log")))
def test_the_cause_of_a_real_failure(name: str) -> None:
    begins, advises = REAL[name]
    cause = cause_of(LOGS / f"{name}.log", 1)
    assert cause.startswith(begins)
    assert advises in cause
    assert "\n" not in cause
    assert "\x1b" not in cause
    assert "RayTaskError" not in cause


def test_the_cause_of_a_wait_is_what_was_seen_and_what_the_log_says(log: Path) -> None:
    seen = "a process failed, and verl waits for it"
    cause = cause_of_wait(LOGS / "vllm-weight-sync.log", seen)
    assert cause.startswith(f"{seen}: AttributeError: 'Parameter' object has no attribute")
    log.write_text("step 3\n")
    died = "the process VLLM::EngineCore has died, and verl waits for it"
    assert cause_of_wait(log, died) == f"{died}; {DIED}"
    assert cause_of_wait(log, "nothing was done for 1 h 0 min") == "nothing was done for 1 h 0 min"


def raised(exception: str) -> str:
    return f'Traceback (most recent call last):\n  File "/env/x.py", line 3, in go\n{exception}\n'


@pytest.mark.parametrize(
    ("exception", "advises"),
    [
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a "
            "total capacity of 79.18 GiB of which 1.06 GiB is free.",
            "actor.ppo_max_token_len_per_gpu",
        ),
        (
            "ValueError: To serve at least one request with the model's max seq len (4096), (8.0 "
            "GiB KV cache is needed, which is larger than the available KV cache memory (1.0 GiB).",
            "data.max_response_length",
        ),
        (
            "OSError: [Errno 28] No space left on device: '/out/model.safetensors'",
            "Free some space",
        ),
        (
            "RuntimeError: [enforce fail at inline_container.cc:672] . unexpected pos",
            "disk is full",
        ),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/data/a.parquet'", "--data"),
        (
            "OSError: You are trying to access a gated repo.\nMake sure to have access to it.",
            "accept its licence",
        ),
        (
            "ValueError: Model architectures ['StrangeForCausalLM'] are not supported for now. "
            "Supported architectures: dict_keys(['LlamaForCausalLM'])",
            "does not know this model's architecture",
        ),
        ("ConnectionError: Failed to connect to Ray cluster at 192.0.2.2:6399", "no Ray cluster"),
        ("RuntimeError: InvalidAuthToken: Authentication token is missing", "wants a token"),
        ("OSError: [Errno 98] Address already in use", "a port is in use"),
        (
            "RuntimeError: Could not find nvcc and default cuda_home='/usr/local/cuda' doesn't "
            "exist",
            "attention_backend=TRITON_ATTN",
        ),
        (
            "RuntimeError: The NVIDIA driver on your system is too old (found version 12040).",
            "version 580",
        ),
        (
            "RuntimeError: probability tensor contains either `inf`, `nan` or element < 0",
            "training became unstable",
        ),
        ("ValueError: Total available GPUs 1 is less than total desired GPUs 8", "lower --gpus"),
        ("ModuleNotFoundError: No module named 'transfer_queue'", "the extra `train`"),
        ("torch.distributed.DistBackendError: NCCL error in: x.cpp:1", "lost each other"),
        (
            "PermissionError: [Errno 13] Permission denied: '/out'",
            "this user may not read or write",
        ),
    ],
)
def test_what_is_known_comes_with_advice(log: Path, exception: str, advises: str) -> None:
    log.write_text(raised(exception))
    cause = cause_of(log, 1)
    assert cause.startswith(exception.split("\n")[0].partition(": ")[0].rpartition(".")[2])
    assert advises in cause


def test_what_is_not_known_comes_with_its_place(log: Path) -> None:
    log.write_text(raised("LookupError: no such thing"))
    assert cause_of(log, 1) == "LookupError: no such thing (x.py line 3, in go)"


def test_the_first_of_a_chain_is_the_cause(log: Path) -> None:
    between = "\nThe above exception was the direct cause of the following exception:\n\n"
    log.write_text(raised("LookupError: this") + between + raised("RuntimeError: so that"))
    assert cause_of(log, 1) == "LookupError: this (x.py line 3, in go), then RuntimeError: so that"


def test_an_exception_that_was_overcome_is_not_the_cause(log: Path) -> None:
    log.write_text(
        raised("ImportError: an optional package") + "going on\n" + raised("OSError: it")
    )
    assert cause_of(log, 1).startswith("OSError: it")


def test_the_engine_that_died_first_is_the_cause_of_what_its_driver_says(log: Path) -> None:
    begin = "\x1b[36m(Server pid=7)\x1b[0m (EngineCore pid=8) ERROR 11-25 13:00:00 [core.py:1] "
    said = raised("AssertionError: too many heads").splitlines()
    engine = "".join(f"{begin}{line}\n" for line in said)
    driver = raised("RuntimeError: Engine core initialization failed. See root cause above.")
    log.write_text(engine + driver)
    assert cause_of(log, 1) == "AssertionError: too many heads (x.py line 3, in go)"


def test_processes_that_write_at_the_same_time_are_told_apart(log: Path) -> None:
    ours = raised("LookupError: ours").splitlines()
    theirs = [f"(Worker pid={9}) {line}" for line in raised("KeyError: 'theirs'").splitlines()]
    both = [line for pair in zip(theirs, ours, strict=True) for line in pair]
    log.write_text("\n".join(both))
    assert cause_of(log, 1).startswith("LookupError: ours (x.py line 3")


def test_what_a_process_wrote_before_it_died_is_found(log: Path) -> None:
    log.write_text(
        "(Worker pid=4) write: No space left on device\n"
        "(Worker pid=4) INFO still trying\n" + raised("ray.exceptions.ActorDiedError: gone")
    )
    assert cause_of(log, 1).startswith("write: No space left on device; a disk is full")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (-9, "verl was ended by SIGKILL without saying why; the system kills a process that "),
        (-11, "verl was ended by SIGSEGV without saying why; its last line is: step 3"),
        (5, "verl ended with exit code 5 without an error; its last line is: step 3"),
        (None, "verl ended without an error; its last line is: step 3"),
    ],
)
def test_an_end_without_words_is_told_by_its_code(log: Path, code: int | None, says: str) -> None:
    log.write_text("step 2\nstep 3\n\n")
    assert cause_of(log, code).startswith(says)


def test_an_interrupt_is_no_failure(log: Path) -> None:
    log.write_text(raised("KeyboardInterrupt"))
    assert cause_of(log, -2) == "verl was interrupted by a signal"


def test_a_log_that_is_not_there_or_empty(log: Path) -> None:
    assert cause_of(log, 1) == "verl ended with exit code 1 without an error; its log is empty"
    log.touch()
    assert cause_of(log, 1) == "verl ended with exit code 1 without an error; its log is empty"


def test_only_the_end_of_a_log_is_read_and_a_bit_of_a_message_is_shown(log: Path) -> None:
    log.write_text(
        raised("LookupError: long ago")
        + "progress\r" * (TAIL // 4)
        + "\n"
        + raised("ValueError: \x1b[2J\x07" + "much " * (TAIL // 8))
    )
    cause = cause_of(log, 1)
    assert cause.startswith("ValueError: \\x07much much")
    assert len(cause) < LONGEST + 100


def test_what_verl_writes_while_all_is_well_is_no_failure(log: Path) -> None:
    """Its settings and warnings name much of what failures are known by."""
    log.write_text((LOGS / "ordinary.txt").read_text())
    assert cause_of(log, -11).startswith("verl was ended by SIGSEGV without saying why")


NAMED = re.compile(
    r"\b(?:actor_rollout_ref|algorithm|critic|data|engine|model|optim|ray_kwargs|reward|trainer)"
    r"(?:\.\w+)+"
)


def test_every_key_that_an_advice_names_is_one_that_set_takes() -> None:
    named = {key for advice in ADVICE for key in NAMED.findall(advice.said)}
    assert len(named) >= 8
    for key in named:
        verl_command.refuse_keys_of_flags([key])
        known = [keys.known_keys(each) for each in (keys.GRPO, keys.SFT)]
        assert key.startswith(keys.OPEN) or any(key in each for each in known), key
