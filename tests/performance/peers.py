"""How long lm-evaluation-harness takes for the same evaluation.

    sh tests/performance/peers.sh VENV UV cpu   # once: an environment of its own
    python tests/performance/peers.py --venv VENV [--model M --data DIR] [-o latest.json]

From the start of the command to the printed table, in turn: `lm-eval run --model vllm` against
`python -m harness eval`. Both have the same model, the same problems of six benchmarks, the same
prompts by the model's chat template, greedy sampling with the same limit, the same version of
vLLM with the same settings, and responses as long as the model makes them; both keep every
response. Everything is to lm-eval's advantage that could be: batch size auto, so that it hands
all tasks to vLLM in one call (its default is one request at a time), and answers compared as
strings after one regular expression, where the harness parses mathematics. The details say how
many tokens both drew (those that end a response left out) and how many responses are the same
text; if the tokens differ by more than a hundredth, the two did not do the same, and the
measurement fails.

lighteval 0.13.0, the newest, cannot be measured beside them, for it does not run on this vLLM: it
asks for vllm<0.10.2, imports a module that vLLM has moved (`vllm.transformers_utils.tokenizer`),
and passes arguments that are gone (`swap_space`, `prompt_token_ids`). What its way of running
costs (benchmark after benchmark in four parts each) `sequential.py` shows.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click
from command import evaluated
from made import output_of
from measuring import output_option, publish
from pairs import Pairs, timed
from workload import Workload, bare_settings, workload_options

from harness.engines.vllm.queue import PACKAGES, VARIABLES
from harness.evaluation.plan import Plan
from harness.runs.catalogue import Catalogue
from harness.runs.folder import RunFolder

ALL = 1319
"""Problems of the largest benchmark."""
ALIKE = 0.01
"""The share of the tokens that may differ between the two: greedy responses are not always the
same where batches are not."""
VERSIONS = """
from importlib.metadata import version
print(version("lm_eval"), version("vllm"), version("transformers"))
"""
LIGHTEVAL = "0.13.0 asks for vllm<0.10.2 and uses what later versions do not have"


# --- the same evaluation, for lm-eval -------------------------------------------------------


def write_tasks(plan: Plan, folder: Path) -> None:
    """Write one task a benchmark, and its problems, as lm-eval reads them."""
    for name, problems in plan.problems.items():
        rows = [
            {"id": problem.id, "said": plan.style.user(problem.question), "answer": problem.answer}
            for problem in problems
        ]
        lines = (json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
        declared = task(name, folder / f"{name}.jsonl", plan.spec.sampling.max_tokens)
        # JSON is YAML as well, and needs no escapes of its own.
        (folder / f"{name}.yaml").write_text(json.dumps(declared), encoding="utf-8")


def task(name: str, problems: Path, max_tokens: int) -> dict[str, Any]:
    """Return a task of lm-eval over a file of problems."""
    return {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(problems)}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{said}}",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {
            "until": [],
            "do_sample": False,
            "temperature": 0,
            "max_gen_toks": max_tokens,
        },
        "filter_list": [
            {
                "name": "boxed",
                "filter": [
                    {
                        "function": "regex",
                        "regex_pattern": "boxed\\{(.*)\\}",
                        "group_select": -1,
                    },
                    {"function": "take_first"},
                ],
            }
        ],
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": 1},
    }


def run_lm_eval(python: Path, plan: Plan, folder: Path, output: str) -> None:
    """Run lm-eval on the tasks in a folder."""
    assert plan.checkpoint is not None
    settings = {"pretrained": plan.checkpoint.path, **bare_settings(plan)}
    command = [
        *(str(python), "-m", "lm_eval", "run", "--model", "vllm", "--batch_size", "auto"),
        *("--model_args", ",".join(f"{key}={value}" for key, value in settings.items())),
        *("--tasks", ",".join(plan.problems), "--include_path", "."),
        *("--apply_chat_template", "--output_path", output, "--log_samples"),
    ]
    output_of(command, folder, **VARIABLES, HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")


def lm_eval_responses(output: Path) -> dict[str, str]:
    """Return by problem id every response that lm-eval kept."""
    return {
        sample["doc"]["id"]: sample["resps"][0][0]
        for path in output.rglob("samples_*.jsonl")
        for sample in map(json.loads, path.read_text(encoding="utf-8").splitlines())
    }


def our_responses(results: Path) -> dict[str, str]:
    """Return by problem id every response of the one run in a folder of results."""
    ((path, _),) = Catalogue(results).runs
    with RunFolder(path) as folder:
        return {sample.problem_id: sample.response for sample in folder.samples.values()}


def compared(plan: Plan, theirs: dict[str, str], ours: dict[str, str]) -> dict[str, Any]:
    """Return how much both drew, and how many responses are the same text.

    Raises:
        click.ClickException: one side has other problems, or drew more than the other.
    """
    if theirs.keys() != ours.keys():
        raise click.ClickException(f"{len(theirs)} responses of lm-eval, {len(ours)} of the run")
    drawn = [tokens(plan, texts) for texts in (theirs, ours)]
    if abs(drawn[0] - drawn[1]) > ALIKE * drawn[1]:
        raise click.ClickException(f"{drawn[0]} tokens of lm-eval, {drawn[1]} of the run")
    same = sum(text.strip() == theirs[key].strip() for key, text in ours.items())
    return {
        "responses": len(ours),
        "same_text": same,
        "tokens": {"lm_eval": drawn[0], "run": drawn[1]},
    }


def tokens(plan: Plan, texts: dict[str, str]) -> int:
    """Count the tokens of responses again from their text: lm-eval keeps no counts."""
    assert plan.checkpoint is not None
    encoded = plan.checkpoint.tokenizer(list(texts.values()), add_special_tokens=False)
    return sum(map(len, encoded["input_ids"]))


# --- the whole ------------------------------------------------------------------------------


def measure(
    workload: Workload, python: Path, pairs: int, folder: Path
) -> tuple[Pairs, dict[str, Any]]:
    """Measure both in turn, and compare what they drew the last time."""
    plan = workload.plan()
    write_tasks(plan, folder)
    both = Pairs("lm_eval", "run")
    ours: dict[str, str] = {}
    theirs: dict[str, str] = {}
    for number in range(pairs):
        run = timed(lambda: evaluated(workload, folder, f"results-{number}"))  # noqa: B023
        ours = our_responses(folder / f"results-{number}")
        peer = timed(lambda: run_lm_eval(python, plan, folder, f"out-{number}"))  # noqa: B023
        theirs = lm_eval_responses(folder / f"out-{number}")
        both.add(
            peer._replace(tokens=tokens(plan, theirs)), run._replace(tokens=tokens(plan, ours))
        )
    return both, compared(plan, theirs, ours)


@click.command()
@click.option("--venv", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--pairs", default=2, show_default=True)
@output_option
@workload_options(limit=ALL, max_tokens=256)
def main(workload: Workload, venv: Path, pairs: int, output: Path | None) -> None:
    """Print the ratio of lm-eval's wall time to the command's."""
    with tempfile.TemporaryDirectory() as name:
        python = venv.resolve() / "bin" / "python"
        versions = output_of([str(python), "-c", VERSIONS], Path(name)).split()
        both, drawn = measure(workload.naturally(), python, pairs, Path(name).resolve())
    publish(
        "peers",
        {"lm_eval_over_run": both.ratio},
        {
            "pairs": both.details,
            **drawn,
            "lm_eval": dict(zip(("lm_eval", "vllm", "transformers"), versions, strict=True)),
            "lighteval": LIGHTEVAL,
            **workload.naturally().says,
        },
        output,
        packages=PACKAGES,
    )


if __name__ == "__main__":
    main()
