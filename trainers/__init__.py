"""Trainers: plugins that turn a base model and data into a checkpoint."""

from benchmarks.registry import Registry
from trainers.base import Job, Reporter, Setting, Trainer, TrainSpec
from trainers.curves import Step

TRAINERS: Registry[type[Trainer]] = Registry(
    "trainer",
    group="harness.trainers",
    builtin={
        "verl-grpo-v1": "trainers.verl.trainer:VerlGrpoV1",
        "verl-grpo-v4": "trainers.verl.trainer:VerlGrpoV4",
        "verl-grpo-v5": "trainers.verl.trainer:VerlGrpoV5",
    },
)

__all__ = ["TRAINERS", "Job", "Reporter", "Setting", "Step", "TrainSpec", "Trainer"]
