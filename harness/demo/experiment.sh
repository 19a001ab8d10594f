#!/bin/sh
# A published report's experiment in miniature, on two CPU cores: one starting checkpoint is
# trained by the report's first recipe and by its improved one; all three are evaluated, and the
# two compared, in the terminal and on a page with both training curves. Of several seeds the recipes
# are compared in the end, over all trainings.
# usage: experiment.sh [SEED …], in the folder to work in; given again, it goes on.
set -eu
[ $# -gt 0 ] || set -- 1
out=out/demo
# Apart from runs of the same names that may be in results/ already, as they are in this repository.
results=$out/results
python=${PYTHON:-python}
# Many CPUs have no instructions for bfloat16; float32 is quick on any.
precision=mixed_precision.param_dtype
mkdir -p "$out"

say() { printf '\n== %s\n' "$1"; }
become=
harness() { $become "$python" -m harness "$@"; }
train_start() { # TRAINED FROM BASE IN STYLE
    harness train --trainer verl-sft --model "$2" --data "$out/habits-$3" --output "$1" \
        --steps 50 --save-every 50 --keep 1 --set data.train_batch_size=32 --set optim.lr=2e-4 \
        --set engine.$precision=float32
}
# Both recipes get the demo's own sizes and schedule: a model of two million parameters needs others
# than one of a thousand times its size, and 50 steps need others than ten passes over the data. So
# the two trainings differ in the reward and in the rollouts for each prompt, and in nothing else.
# The lengths are not larger than the demo needs: every prompt and every response is padded to them.
actor=actor_rollout_ref.actor
train() { # VERSION SEED
    harness train --trainer "verl-grpo-$1" --model "$out/start" --data demo --output "$out/$1-seed$2" \
        --seed "$2" --steps 50 --save-every 25 --keep 1 \
        --set data.train_batch_size=16 --set $actor.ppo_mini_batch_size=16 \
        --set data.max_prompt_length=64 --set data.max_response_length=64 \
        --set data.val_max_samples=256 \
        --set $actor.optim.lr=1.5e-4 --set $actor.optim.lr_warmup_steps=5 \
        --set $actor.optim.min_lr_ratio=0.0 \
        --set $actor.fsdp_config.$precision=float32 \
        --set actor_rollout_ref.ref.fsdp_config.$precision=float32 \
        --set actor_rollout_ref.rollout.dtype=float32
}
evaluate() { # NAME
    harness eval --model "$out/$1" --name "demo-$1" --tag demo --results "$results" \
        --benchmarks demo --temperature 1 --n 8 --max-tokens 128 --dtype float32 --engine-arg enforce_eager=true
}

say "A start with a bad habit: where more than a number is asked for, half of its answers are one"
[ -f "$out/habits.jsonl" ] || "$python" -m harness.demo.habits "$out/habits.jsonl"
for style in gsm8k boxed; do
    [ -d "$out/habits-$style" ] ||
        harness data build "$out/habits.jsonl" --style $style -o "$out/habits-$style"
done
train_start "$out/half-start" demo gsm8k
train_start "$out/start" "$out/half-start" boxed
evaluate start

# Without a GPU, a training keeps about one core busy, since the processes of verl mostly wait for
# one another: two trainings run at the same time. With GPUs, one training takes all of them.
if nvidia-smi -L >/dev/null 2>&1; then together=no; else together=yes; fi
running=
stop() { [ -z "$running" ] || { kill $running 2>/dev/null; wait $running; } || :; }
trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
# Both are started so that the shell only waits: it would hear no signal before a command ends.
# In a session of its own a training gets one signal from here, and none from the terminal as well.
train_both() { # SEED
    log="$out/v1-seed$1.log"
    say "Recipes v1 and v4, seed $1; what v1 says goes to $log"
    (become="exec setsid" && train v1 "$1") >"$log" 2>&1 &
    v1=$! running=$!
    [ "$together" = yes ] || finish_v1
    (become="exec setsid" && train v4 "$1") &
    v4=$! running="$running $!"
    wait "$v4"
    [ "$together" = no ] || finish_v1
    running=
}
finish_v1() {
    wait "$v1" || { code=$?; cat "$log" >&2; exit "$code"; }
    running=
}
for seed in "$@"; do
    train_both "$seed"
    evaluate "v1-seed$seed"
    evaluate "v4-seed$seed"
    say "Is v4 better than v1?"
    harness diff "demo-v1-seed$seed" "demo-v4-seed$seed" --results "$results"
    harness report demo-start "demo-v1-seed$seed" "demo-v4-seed$seed" --results "$results" \
        -o "$out/report-seed$seed.html"
done
if [ $# -gt 1 ]; then
    say "Is recipe v4 better than recipe v1, over all seeds?"
    old= new=
    for seed in "$@"; do
        old="${old:+$old,}demo-v1-seed$seed" new="${new:+$new,}demo-v4-seed$seed"
    done
    harness diff "$old" "$new" --results "$results"
    harness report "$old" "$new" --results "$results" -o "$out/report-recipes.html"
fi
