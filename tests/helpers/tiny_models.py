"""Make tiny random checkpoints of the three kinds of architecture that training must support.

They are a native architecture, one that only its own Python files define, and one that
is native by now although its config still says that it is not.
"""

from __future__ import annotations

import json
import shutil
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.demo import MODEL_PATH

CODE = Path(__file__).parent / "tiny_code"
TEMPLATE = (
    "{%- for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n'"
    " + message['content'] + '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{%- endif %}"
)
POCKET_SPECIAL = ("<|pad|>", "<|bos|>", "<|im_start|>", "<|im_end|>", "<|end|>")
POCKET_ENDS = [3, 4]
"""Two tokens end a response, as in many chat models; a tokenizer can name only one of them."""


def make_opinionated(folder: Path) -> Path:
    """Copy the demo model, with a generation config that asks for sampling of its own."""
    shutil.copytree(MODEL_PATH, folder)
    path = folder / "generation_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config |= {
        "do_sample": True, "temperature": 0.3, "top_k": 1, "top_p": 0.2, "min_p": 0.5,
        "repetition_penalty": 1.5, "no_repeat_ngram_size": 2, "num_beams": 3, "max_length": 40,
        "suppress_tokens": [5], "min_new_tokens": 20,
    }  # fmt: skip
    path.write_text(json.dumps(config), encoding="utf-8")
    return folder


def make_llama(folder: Path, *, width: int = 64) -> Path:
    """Make a Llama of 0.1 million random parameters, or more, with the demo tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=640, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=2,
        num_attention_heads=width // 32, num_key_value_heads=width // 32, head_dim=32,
        max_position_embeddings=1024, bos_token_id=1, eos_token_id=3, pad_token_id=0,
        tie_word_embeddings=True,
    )  # fmt: skip
    _save(LlamaForCausalLM, config, folder)
    _copy_demo_tokenizer(folder)
    return folder


def make_deepseek(folder: Path) -> Path:
    """Make a random DeepSeek-V3 with the demo tokenizer, whose config claims remote code.

    The sizes are the smallest that vLLM's MLA kernel takes on a CPU. The config declares
    a layer of multi-token prediction without tensors for it, as published ones do.
    """
    from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

    config = DeepseekV3Config(
        vocab_size=640, hidden_size=64, intermediate_size=128, moe_intermediate_size=32,
        num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, n_shared_experts=1,
        n_routed_experts=4, num_experts_per_tok=2, n_group=1, topk_group=1,
        first_k_dense_replace=1, q_lora_rank=None, kv_lora_rank=512, qk_rope_head_dim=64,
        qk_nope_head_dim=64, v_head_dim=64, max_position_embeddings=1024,
        bos_token_id=1, eos_token_id=3, pad_token_id=0,
    )  # fmt: skip
    _save(DeepseekV3ForCausalLM, config, folder)
    _edit(
        folder / "config.json",
        num_nextn_predict_layers=1,
        topk_method="noaux_tc",
        scoring_func="sigmoid",
        auto_map={
            "AutoConfig": "configuration_deepseek.DeepseekV3Config",
            "AutoModel": "modeling_deepseek.DeepseekV3Model",
            "AutoModelForCausalLM": "modeling_deepseek.DeepseekV3ForCausalLM",
        },
    )
    for name in ("configuration_deepseek.py", "modeling_deepseek.py"):
        (folder / name).write_text('raise ImportError("written for another release")\n')
    _copy_demo_tokenizer(folder)
    return folder


def make_pocket(folder: Path) -> Path:
    """Make a random checkpoint of an architecture and a tokenizer that only its files define."""
    from tiny_code.configuration_pocket import PocketConfig
    from tiny_code.modeling_pocket import PocketForCausalLM

    characters = [*POCKET_SPECIAL, "\n", *string.printable[:95]]
    config = PocketConfig(
        vocab_size=len(characters), bos_token_id=1, eos_token_id=POCKET_ENDS, pad_token_id=0
    )
    _save(PocketForCausalLM, config, folder)
    _edit(
        folder / "config.json",
        architectures=["PocketForCausalLM"],
        auto_map={
            "AutoConfig": "configuration_pocket.PocketConfig",
            "AutoModel": "modeling_pocket.PocketModel",
            "AutoModelForCausalLM": "modeling_pocket.PocketForCausalLM",
        },
    )
    for file in CODE.glob("*_pocket.py"):
        shutil.copyfile(file, folder / file.name)
    lines = "".join(json.dumps(character) + "\n" for character in characters)
    (folder / "characters.txt").write_text(lines, encoding="utf-8")
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    tokenizer = {
        "tokenizer_class": "PocketTokenizer",
        "auto_map": {"AutoTokenizer": ["tokenization_pocket.PocketTokenizer", None]},
        "model_max_length": 1024,
        "pad_token": "<|pad|>",
        "bos_token": "<|bos|>",
        "eos_token": "<|im_end|>",
        "additional_special_tokens": ["<|im_start|>", "<|end|>"],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2), encoding="utf-8")
    generation = {
        "eos_token_id": POCKET_ENDS,
        "pad_token_id": 0,
        "temperature": 0.7,
        "do_sample": True,
    }
    (folder / "generation_config.json").write_text(json.dumps(generation), encoding="utf-8")
    return folder


def make_scripted(folder: Path, script: Sequence[str]) -> Path:
    """Make a Llama that answers everything with these tokens, of which no two may be the same.

    Its layers add nothing to a token's embedding, and the head leads from each token to the next.
    Those in angle brackets are special tokens, and the last one ends the response.
    """
    import torch
    from tokenizers import Tokenizer  # type: ignore[import-untyped]
    from tokenizers.models import WordLevel  # type: ignore[import-untyped]
    from tokenizers.pre_tokenizers import Whitespace  # type: ignore[import-untyped]
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokens = ["<pad>", "<unk>", "<|assistant|>", *script]
    config = LlamaConfig(
        vocab_size=len(tokens), hidden_size=64, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, head_dim=32, max_position_embeddings=1024,
        bos_token_id=None, eos_token_id=len(tokens) - 1, pad_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            weights.fill_(1.0 if "norm" in name else 0.0)
        for number in range(len(tokens)):
            model.model.embed_tokens.weight[number, number] = 1.0
            model.lm_head.weight[min(number + 1, len(tokens) - 1), number] = 1.0
    model.to(torch.bfloat16).save_pretrained(folder)
    words = Tokenizer(WordLevel({token: n for n, token in enumerate(tokens)}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    words.add_special_tokens([token for token in tokens if token.startswith("<")])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token=tokens[-1], unk_token="<unk>", pad_token="<pad>"
    )
    tokenizer.chat_template = "{{ messages[-1]['content'] }} <|assistant|>"
    tokenizer.save_pretrained(folder)
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {
    "llama": make_llama,
    "pocket": make_pocket,
    "deepseek": make_deepseek,
}


def _save(architecture: Any, config: Any, folder: Path) -> None:
    import torch

    torch.manual_seed(0)
    architecture(config).to(torch.bfloat16).save_pretrained(folder)


def _copy_demo_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copyfile(MODEL_PATH / name, folder / name)


def _edit(path: Path, **fields: object) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **fields}, indent=2), encoding="utf-8")
