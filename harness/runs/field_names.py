"""The flat names of an evaluation's settings, which the Python API and the command line share.

An `EvalSpec` is nested, since that is how it is stored and read. A person gives settings one by
one, as ``temperature=0.6`` or as ``--temperature 0.6``; `FIELDS` says where each of them goes. It
is apart from `harness.runs.spec_fields` so that ``--help`` needs no spec.
"""

from __future__ import annotations

FIELDS: dict[str, tuple[str, ...]] = {
    "model": ("model",),
    "revision": ("revision",),
    "benchmarks": ("benchmarks",),
    "limit": ("limit",),
    "prompt": ("prompt", "style"),
    "shots": ("prompt", "shots"),
    "template_args": ("prompt", "template_args"),
    "n": ("sampling", "n"),
    "n_by_benchmark": ("sampling", "n_by_benchmark"),
    "temperature": ("sampling", "temperature"),
    "top_p": ("sampling", "top_p"),
    "top_k": ("sampling", "top_k"),
    "max_tokens": ("sampling", "max_tokens"),
    "seed": ("sampling", "seed"),
    "engine": ("engine", "name"),
    "dtype": ("engine", "dtype"),
    "max_model_len": ("engine", "max_model_len"),
    "model_impl": ("engine", "model_impl"),
    "trust_remote_code": ("engine", "trust_remote_code"),
    "allow_pickle": ("engine", "allow_pickle"),
    "responses": ("engine", "responses"),
    "tensor_parallel": ("engine", "tensor_parallel"),
    "deterministic": ("engine", "deterministic"),
    "engine_args": ("engine", "args"),
    "replicas": ("engine", "cluster", "replicas"),
    "ray_address": ("engine", "cluster", "address"),
    "node_wait": ("engine", "cluster", "wait"),
    "base_url": ("engine", "server", "base_url"),
    "key_variable": ("engine", "server", "key_variable"),
    "concurrency": ("engine", "server", "concurrency"),
    "requests_per_minute": ("engine", "server", "requests_per_minute"),
    "tokens_per_minute": ("engine", "server", "tokens_per_minute"),
    "request_timeout": ("engine", "server", "timeout"),
    "attempts": ("engine", "server", "attempts"),
    "prompt_price": ("engine", "server", "prompt_price"),
    "completion_price": ("engine", "server", "completion_price"),
}
"""The flat name of a setting to where it stands in an `EvalSpec`."""
OF_ONE_MODEL = (FIELDS["revision"], FIELDS["trust_remote_code"], FIELDS["allow_pickle"])
"""What is said of one checkpoint alone, and must not be taken for another with its settings."""
