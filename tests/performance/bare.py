"""The shortest script that draws responses with vLLM: what `command.py` measures a command against.

It is told everything (settings, token ids, sampling parameters), draws, and writes the texts.
"""

from __future__ import annotations

import json
import sys


def main(job: str, output: str) -> None:
    """Draw what the job asks for, and print the number of tokens."""
    from vllm import LLM, SamplingParams

    with open(job, encoding="utf-8") as file:
        asked = json.load(file)
    llm = LLM(**asked["settings"])
    outputs = llm.generate(
        [{"prompt_token_ids": ids} for ids in asked["prompts"]],
        [SamplingParams(**parameters) for parameters in asked["parameters"]],
        use_tqdm=False,
    )
    with open(output, "w", encoding="utf-8") as file:
        json.dump([result.outputs[0].text for result in outputs], file)
    print(sum(len(result.outputs[0].token_ids) for result in outputs))


if __name__ == "__main__":
    main(*sys.argv[1:])
