"""verl's supervised trainer, which ends after the step that it is in, saved, when a file asks.

verl has no order to stop (0.9.1, `trainer/sft_trainer.py`): it saves at every so many steps and at
the last one, which it tells by `total_training_steps` after each step. `torchrun` starts this
module in place of verl's. The file lies beside the folder of saves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from verl.trainer import sft_trainer
from verl.utils.device import get_device_name

from trainers.verl.paths import STOP


class StoppableTrainer(sft_trainer.SFTTrainer):  # type: ignore[misc]
    """Looks after each step whether it is to be the last one."""

    def fit(self) -> None:
        """Train; see verl's own."""
        worker, step = self.training_client, self.resume_global_step
        train_batch = worker.train_batch

        def counted(*given: Any, **named: Any) -> Any:
            nonlocal step
            output = train_batch(*given, **named)
            step += 1
            if self._asked():
                self.total_training_steps = step
            return output

        worker.train_batch = counted
        super().fit()

    def _asked(self) -> bool:
        """Say whether a process has seen the file: all of them have to stop at the same step."""
        stop = Path(self.config.trainer.default_local_dir).with_name(STOP)
        seen = torch.tensor(int(stop.exists()), device=get_device_name())
        torch.distributed.all_reduce(seen, op=torch.distributed.ReduceOp.MAX)
        return bool(seen.item())


if __name__ == "__main__":
    sft_trainer.SFTTrainer = StoppableTrainer  # what verl's `main` makes
    sft_trainer.main()
