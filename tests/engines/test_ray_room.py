"""More replicas than a Ray of our own has room for are refused, and not waited for."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from benchmarks import UserError
from harness.engines.ray.engine import _require_room


@pytest.mark.parametrize(
    ("needs", "replicas", "told"),
    [
        ({"CPU": 1.0}, 2, None),
        ({"CPU": 1.0}, 3, "3 replicas need 3 CPU, and this machine has 2 CPU and 1 GPU"),
        ({"GPU": 1.0}, 1, None),
        ({"GPU": 2.0}, 2, "2 replicas need 4 GPU, and this machine has 2 CPU and 1 GPU"),
    ],
)
def test_room_is_for_all_replicas_or_it_is_said(
    needs: dict[str, float], replicas: int, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    has = {"CPU": 2.0, "GPU": 1.0, "memory": 5e9, "node:127.0.0.1": 1.0}
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(cluster_resources=lambda: has))
    if told is None:
        _require_room(needs, replicas)
        return
    with pytest.raises(UserError, match=f"{told}; ask for fewer"):
        _require_room(needs, replicas)
