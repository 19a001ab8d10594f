r"""Instructions that come with a question in published data, and are no part of it.

A style appends an instruction of its own (`trainers.data.styles`), so the source's has to go: a
question that asks for "Answer: 5" and for a box at once trains neither, and it would not be found
in a benchmark by its words. Only these texts are removed, character by character.
"""

from __future__ import annotations

from trainers.data.styles import DATA_STYLES

_BEFORE = (
    # DAPO-Math-17k; verl, recipe/dapo and its copies.
    "Solve the following math problem step by step. The last line of your response should be of "
    "the form Answer: $Answer (without quotes) where $Answer is the answer to the problem.",
)
_AFTER = (
    'Remember to put your answer on its own line after "Answer:".',  # DAPO-Math-17k
    # verl, examples/data_preprocess/gsm8k.py and math_dataset.py, which are this project's, too.
    *(style.instruction for style in DATA_STYLES.values()),
    # The card of Qwen2.5-Math; OpenR1-Math-220k's card names it as its own.
    r"Please reason step by step, and put your final answer within \boxed{}.",
)


def without_instruction(question: str) -> str:
    r"""Return the question alone; a question without a known instruction is returned as it is.

    >>> without_instruction(
    ...     r"What is 1+1? Let's think step by step and output the final answer within \boxed{}."
    ... )
    'What is 1+1?'
    """
    bare = question.strip()
    for text in _BEFORE:
        bare = bare.removeprefix(text).lstrip()
    for text in _AFTER:
        bare = bare.removesuffix(text).rstrip()
    return bare if len(bare) < len(question.strip()) else question
