"""The recipes: every setting that decides a checkpoint, typed, with its origin and reason.

A recipe only states settings. How verl is started with them is in `trainers.verl.grpo` and
`trainers.verl.sft`.
"""

from trainers.verl.recipes.base import Recipe
from trainers.verl.recipes.grpo import Grpo, GrpoV5
from trainers.verl.recipes.report import BY_VLLM, GrpoV1, GrpoV4
from trainers.verl.recipes.sft import Sft

__all__ = ["BY_VLLM", "Grpo", "GrpoV1", "GrpoV4", "GrpoV5", "Recipe", "Sft"]
