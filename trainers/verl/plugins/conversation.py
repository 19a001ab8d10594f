"""verl's loop for one question and one response, for models with any tokenizer.

verl chooses how it joins the tokens of several turns by the name of the model's architecture,
and looks for special tokens of that family's own tokenizer. A DeepSeek-V3 model with another
tokenizer, as smaller models of that architecture have, is refused before its first rollout.
With one turn there is nothing to join, so no architecture is named here.
"""

from __future__ import annotations

from typing import Any

from verl.experimental.agent_loop.single_turn_agent_loop import SingleTurnAgentLoop


class OneTurn(SingleTurnAgentLoop):  # type: ignore[misc] # verl has no types
    """verl's own loop of one turn; `agent_loops.yaml` names it."""

    def __init__(self, *given: Any, hf_model_type: str | None = None, **named: Any) -> None:
        """Take the arguments that verl gives every loop."""
        super().__init__(*given, hf_model_type=None, **named)
