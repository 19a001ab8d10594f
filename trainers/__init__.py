"""Trainers: plugins that turn a base model and data into a checkpoint."""

from benchmarks.registry import Registry, no_subclass_of
from trainers.base import Job, Reporter, Setting, Trainer, TrainSpec
from trainers.curves import Step

TRAINERS: Registry[type[Trainer]] = Registry(
    "trainer",
    group="harness.trainers",
    builtin={
        "verl-grpo-v1": "trainers.verl.grpo:VerlGrpoV1",
        "verl-grpo-v4": "trainers.verl.grpo:VerlGrpoV4",
        "verl-grpo-v5": "trainers.verl.grpo:VerlGrpoV5",
        "verl-sft": "trainers.verl.sft:VerlSft",
    },
    fault=no_subclass_of(Trainer, name=str, about=str),
)

__all__ = ["TRAINERS", "Job", "Reporter", "Setting", "Step", "TrainSpec", "Trainer"]
