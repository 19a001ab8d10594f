#!/bin/sh
# A published report's experiment in miniature, on two CPU cores: one starting checkpoint,
# trained by the report's first recipe and by its improved one, all three evaluated, compared,
# and put on a page with both training curves.
# usage: experiment.sh [SEED [OUT [RESULTS]]]; given again after an interruption, it goes on.
set -eu
seed=${1:-1}
out=${2:-out/demo-$seed}
results=${3:-$out/results}
python=${PYTHON:-python}
mkdir -p "$out"

say() { printf '\n== %s\n' "$1"; }
harness() { "$python" -m harness "$@"; }

# What a model of two million parameters needs otherwise than one of a thousand times its size.
tiny="--set data.train_batch_size=32 --set actor_rollout_ref.actor.optim.lr=3e-4
      --set data.max_prompt_length=96 --set data.max_response_length=128"
habits="--steps 60 --save-every 60 --keep 1 --set data.train_batch_size=32 --set optim.lr=5e-4"

say "A start that has learned bad habits: half of its answers are in a wrong form"
[ -f "$out/habits.jsonl" ] || "$python" -m harness.demo.habits "$out/habits.jsonl"
for style in gsm8k boxed; do
    [ -d "$out/habits-$style" ] || harness data build "$out/habits.jsonl" --style $style -o "$out/habits-$style"
done
# shellcheck disable=SC2086
harness train --trainer verl-sft --model demo --data "$out/habits-gsm8k" --output "$out/half-start" --seed "$seed" $habits
# shellcheck disable=SC2086
harness train --trainer verl-sft --model "$out/half-start" --data "$out/habits-boxed" --output "$out/start" --seed "$seed" $habits

for version in v1 v4; do
    say "Recipe $version"
    # shellcheck disable=SC2086
    harness train --trainer verl-grpo-$version --model "$out/start" --data demo --output "$out/$version" \
        --steps 40 --save-every 20 --seed "$seed" $tiny
done

for version in start v1 v4; do
    say "Evaluating $version"
    harness eval --model "$out/$version" --name "demo-$version-seed$seed" --benchmarks demo --tag demo \
        --temperature 1 --n 8 --max-tokens 128 --engine-arg enforce_eager=true --results "$results"
done

say "Is v4 better than v1?"
harness diff "demo-v1-seed$seed" "demo-v4-seed$seed" --results "$results"
harness report "demo-start-seed$seed" "demo-v1-seed$seed" "demo-v4-seed$seed" --results "$results" -o "$out/report.html"
