#!/bin/sh
# Make the environments of the graders that ours is measured beside, one in a folder each.
# usage: grading_peers.sh FOLDER UV
#
# A grader that cannot be installed does not stop the others: what uv says of it is kept in its
# folder as `failed`, and the table of the measurement says so. All use the project's own build of
# torch, which none of them computes with.
set -eu
folder=$1 uv=$2
python=${PYTHON:-python3}

mkdir -p "$folder"
"$python" -c 'from importlib.metadata import version; print("torch==" + version("torch"))' \
    >"$folder/torch.txt"
set -- --constraint "$folder/torch.txt"
[ -n "${PIP_FIND_LINKS:-}" ] || set -- "$@" --torch-backend auto
for place in ${PIP_FIND_LINKS:-}; do
    set -- "$@" --find-links "$place"
done

while read -r name packages; do
    case $name in '' | '#'*) continue ;; esac
    venv=$folder/$name
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    rm -f "$venv/failed"
    # shellcheck disable=SC2086 - several packages stand in one line
    "$uv" pip install --quiet --python "$venv/bin/python" "$@" $packages 2>"$venv/failed" </dev/null &&
        rm -f "$venv/failed"
    [ ! -e "$venv/failed" ] || echo "$name cannot be installed: $(tail -n 1 "$venv/failed")" >&2
done <"$(dirname "$0")/grading_peers.txt"
