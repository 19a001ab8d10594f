"""The rewards where verl uses them: in a Ray worker, loaded and called by verl's own code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trainers.rewards import COLUMNS
from trainers.rollouts import outcomes_of

# verl, Ray and what they import warn of one another.
pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("default"),
]
PATIENCE = 600
"""Seconds for what takes ten on an idle machine."""

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "harness" / "demo" / "model"
PACKAGE, FILE = "pkg://trainers.rewards", str(ROOT / "trainers" / "rewards.py")
ROOM = 400
"""Tokens that a response may have here."""
HOSTILE = [
    r"\boxed{\int_{0}^{\infty} x^{x^{x}} \sin(x^{x}) dx}",
    r"\boxed{(10^{10})!}",
    r"\boxed{" + r"\sin(" * 40 + "x" + ")" * 40 + "}",
]
EASY = r"\boxed{\int_0^1 x dx}"
"""One that only a grading worker can decide, too."""
VERLS_OWN = {"gsm8k_strict": "openai/gsm8k", "hendrycks_boxed": "lighteval/MATH"}
"""The data source for which verl itself takes that reward."""

Pair = tuple[str, str]


def pairs() -> list[Pair]:
    """Responses and golds: the grading corpus in every dress, and what the rewards trip over."""
    found: list[Pair] = []
    for path in sorted((ROOT / "tests" / "grading" / "corpus").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if "response" in row:
                found.append((row["response"], row["gold"]))
                continue
            dresses = (r"so \boxed{{{}}}.", "so\n#### {}", r"\boxed {}$ it is", "it is {}")
            found += [(dress.format(row["answer"]), row["gold"]) for dress in dresses]
    golds = ["42", "1,200", "1200", r"\frac{1}{2}", "0.5", "1/2", "x=5", "5", r"\sqrt{3}", "-3", ""]
    said = [*golds, "#### 42.", "####42", "$42", r"5\text{ miles}", r"\dfrac12", r"\sqrt3", "{"]
    for gold in golds:
        for text in said:
            found += [(f"#### {text}", gold), (rf"\boxed{{{text}}}", gold), (text, gold)]
            found += [(rf"\boxed{{{text}}} then \boxed{{{gold}", gold)]
    return found


@pytest.fixture(scope="module")
def ray(ray_cluster: str) -> Iterator[Any]:
    ray: Any = pytest.importorskip("ray")
    pytest.importorskip("verl")
    from ray._raylet import AuthenticationTokenLoader, Config

    # Who imported Ray in this process before may have read that there is no token, and no need of
    # one (as in Ray's own `_private/authentication_test_utils.py`).
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
    ray.init(address=ray_cluster, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


def config(
    name: str | None, *, path: str = PACKAGE, rollouts: Path | None = None, **kw: Any
) -> Any:
    """verl's own configuration, with our settings where `train` puts them."""
    import verl
    from hydra import compose, initialize_config_dir
    from verl.experimental.reward_loop.reward_loop import migrate_legacy_reward_impl

    ours = [
        "reward.reward_manager.source=importlib",
        "reward.reward_manager.name=RewardManager",
        f"reward.reward_manager.module.path={path}",
        f"reward.custom_reward_function.path={path}",
        f"reward.custom_reward_function.name={name}",
        *(f"+reward.custom_reward_function.reward_kwargs.{key}={kw[key]}" for key in kw),
    ]
    folder = str(Path(verl.__file__).parent / "trainer" / "config")
    with initialize_config_dir(folder, version_base=None):
        composed = compose(
            "ppo_trainer",
            overrides=[
                f"actor_rollout_ref.model.path={MODEL}",
                "actor_rollout_ref.rollout.name=vllm",
                f"actor_rollout_ref.rollout.response_length={ROOM}",
                f"trainer.rollout_data_dir={rollouts or 'null'}",
                *(ours if name else []),
            ],
        )
    return migrate_legacy_reward_impl(composed)


def batch(rows: list[Pair], *, source: str = "any", ended: bool = True) -> Any:
    """The samples as verl's agent loop hands them to a reward worker."""
    import numpy
    import torch
    from tensordict import TensorDict
    from transformers import AutoTokenizer
    from verl import DataProto

    tokenizer: Any = AutoTokenizer.from_pretrained(MODEL)
    end = [tokenizer.eos_token_id] if ended else []
    ids = [tokenizer.encode(text, add_special_tokens=False)[:ROOM] + end for text, _ in rows]
    width = max(len(each) for each in ids)
    responses = torch.tensor(
        [each + [tokenizer.pad_token_id] * (width - len(each)) for each in ids]
    )
    mask = torch.tensor([[1] * (1 + len(each)) + [0] * (width - len(each)) for each in ids])
    golds = [{"ground_truth": gold} for _, gold in rows]
    return DataProto(
        batch=TensorDict(
            {
                "prompts": torch.ones(len(rows), 1, dtype=torch.long),
                "responses": responses,
                "attention_mask": mask,
            },
            batch_size=len(rows),
        ),
        non_tensor_batch={
            "data_source": numpy.array([source] * len(rows)),
            "reward_model": numpy.array(golds, dtype=object),
            "uid": numpy.array([f"sample{number}" for number in range(len(rows))]),
            "session_id": numpy.array([0] * len(rows)),
            "global_steps": numpy.array([3] * len(rows)),
            "tool_extra_fields": numpy.array([{"turn_scores": []} for _ in rows], dtype=object),
        },
    )


def graded(ray: Any, settings: Any, samples: Any) -> list[dict[str, Any]]:
    """Return what verl's reward worker makes of the samples, from inside a Ray worker."""

    @ray.remote
    def work(settings: Any, samples: Any) -> Any:
        import asyncio
        import os

        from verl.experimental.reward_loop.reward_loop import RewardLoopWorker

        async def all_of_them() -> Any:
            return await RewardLoopWorker(settings).compute_score_batch(samples)

        os.chdir("/")
        return asyncio.run(all_of_them())

    found: list[dict[str, Any]] = ray.get(work.remote(settings, samples), timeout=PATIENCE)
    return found


@pytest.mark.parametrize("name", VERLS_OWN)
def test_a_reward_is_verls_own_value_for_value(name: str, ray: Any) -> None:
    rows = pairs()
    verls = graded(ray, config(None), batch(rows, source=VERLS_OWN[name]))
    ours = graded(ray, config(name), batch(rows))
    values = [each["reward_score"] for each in verls]
    assert 30 < sum(values) < len(values) - 30
    assert [each["reward_score"] for each in ours] == values
    assert all(each["reward_extra_info"]["score"] == each["reward_score"] for each in ours)


@pytest.mark.parametrize("path", [PACKAGE, FILE])
def test_a_hostile_response_costs_itself_alone(path: str, ray: Any, tmp_path: Path) -> None:
    fine = [(EASY, r"\frac12"), (EASY, "3")]
    rows = [*((text, "7") for text in HOSTILE), *fine]
    settings = config("harness", path=path, rollouts=tmp_path, workers=1, time_limit=1.5)
    found = [each["reward_extra_info"] for each in graded(ray, settings, batch(rows))]
    assert [each["grader_timeout"] for each in found] == [1, 1, 1, 0, 0]
    assert [each["score"] for each in found] == [0, 0, 0, 1, 0]
    assert all(tuple(each) == ("score", *COLUMNS) for each in found)
    # Whoever was killed was a grading worker: the same Ray worker goes on.
    again = graded(ray, settings, batch(fine))
    assert [each["reward_score"] for each in again] == [1, 0]


@pytest.mark.parametrize(
    ("tokens", "ended", "outcome"),
    [(ROOM, False, "truncated"), (ROOM - 1, True, "no_answer"), (ROOM - 2, True, "no_answer")],
)
def test_a_response_that_fills_its_room_without_an_end_is_truncated(
    tokens: int, ended: bool, outcome: str, ray: Any
) -> None:
    samples = batch([("no " * ROOM, "7")], ended=False)
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(MODEL)
    samples.batch["responses"] = samples.batch["responses"][:, : tokens + ended]
    samples.batch["attention_mask"] = samples.batch["attention_mask"][:, : tokens + ended + 1]
    if ended:
        samples.batch["responses"][0, -1] = tokenizer.eos_token_id
    [found] = graded(ray, config("hendrycks_boxed"), samples)
    assert found["reward_extra_info"][outcome] == 1


def test_the_dump_that_verl_writes_meets_what_the_workers_kept(ray: Any, tmp_path: Path) -> None:
    base: Any = pytest.importorskip("verl.trainer.ppo.v1.trainer_base")
    rows = [(r"\boxed{7}", "7"), (r"\boxed{8}", "7"), ("no idea", "7"), (r"\boxed{7}", "8")]
    graded(ray, config("hendrycks_boxed", rollouts=tmp_path), batch(rows))
    trained_on = ["sample0_0_0", "sample1_0_0", "sample2_0_0"]  # the last was a validation's
    base.PPOTrainer._write_generations(
        *(["text"] * 3, ["text"] * 3, ["7"] * 3, [1.0, 0.0, 0.0]),
        {"uid": trained_on},
        str(tmp_path),
        3,
    )
    means = outcomes_of(tmp_path / "3.jsonl")
    assert means["samples"] == 3
    assert means["acc"] == means["wrong"] == means["no_answer"] == pytest.approx(1 / 3)


def test_verl_reports_every_column_of_a_validation() -> None:
    metrics: Any = pytest.importorskip("verl.trainer.ppo.metric_utils")
    columns = {"reward": [1.0, 0.0]} | {name: [1.0, 0.0] for name in COLUMNS}
    found = metrics.process_validation_metrics(["jouw/math"] * 2, ["a", "b"], columns)
    assert {name: found["jouw/math"][name]["mean@1"] for name in COLUMNS} == dict.fromkeys(
        COLUMNS, 0.5
    )


def test_the_placement_of_the_rewards_is_verls() -> None:
    base: Any = pytest.importorskip("verl.experimental.reward_loop.reward_manager.base")
    from trainers.rewards import RewardManager

    samples = batch([("1", "1"), ("1 2 3 4", "1")])
    placed = RewardManager.assemble_rm_scores(samples, [1.0, 0.5])
    expected = base.RewardManagerBase.assemble_rm_scores(samples, [1.0, 0.5])
    assert placed.tolist() == expected.tolist()
    assert placed.sum(dim=1).tolist() == [1.0, 0.5]
