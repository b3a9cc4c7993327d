"""Makes small decoders as today's exporters write them, with the answers of FastV in PyTorch on the same weights.

  python training/decoder_exports.py FOLDER [--only opt-ts llama-dynamo20 …] [--list]
  FASTV_EXPORTS=FOLDER npx vitest run test/exports.test.ts

Each is a folder with model.onnx and expected.json, in the form of test/fixtures/exports (docs/decoders.md lists those).
The checkpoints are random and of a few kilobytes: what is tested is the graph that an exporter makes of an architecture,
which the sizes do not change. The reference is Hugging Face's model with two sorts of hooks: one reads the last token's
attention of layer K - 1, the others let layers from K on see the kept tokens only.

Needs torch, transformers and onnx (requirements.txt); `-dynamo` exports onnxscript as well.
"""

import argparse
import inspect
import json
import shutil
from pathlib import Path

import torch
import transformers as hf
from transformers import DynamicCache

K, RATIO, STEPS, VOCABULARY, HIDDEN = 2, 0.5, 3, 40, 32

SMALL = dict(
    vocab_size=VOCABULARY, hidden_size=HIDDEN, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=128, attn_implementation="eager",
)
SLIDING = dict(sliding_window=64, layer_types=["sliding_attention"] * 2 + ["full_attention"])
OLD = dict(vocab_size=VOCABULARY, hidden_size=HIDDEN, attn_implementation="eager")

# Architecture → configuration and model class, by their names in transformers.
ARCHITECTURES = {
    "llama": ("LlamaConfig", "LlamaForCausalLM", SMALL),
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM", SMALL),
    "qwen3": ("Qwen3Config", "Qwen3ForCausalLM", SMALL | dict(head_dim=16)),
    "phi3": ("Phi3Config", "Phi3ForCausalLM", SMALL | dict(pad_token_id=0)),
    "gemma2": ("Gemma2Config", "Gemma2ForCausalLM", SMALL | dict(head_dim=16, sliding_window=64)),
    "gemma3": ("Gemma3TextConfig", "Gemma3ForCausalLM", SMALL | dict(head_dim=16) | SLIDING),
    "gemma3n": (
        "Gemma3nTextConfig", "Gemma3nForCausalLM",
        SMALL | SLIDING | dict(
            head_dim=16, altup_num_inputs=2, hidden_size_per_layer_input=8, vocab_size_per_layer_input=VOCABULARY,
            num_kv_shared_layers=0, laurel_rank=4, activation_sparsity_pattern=[0.0] * 3,
        ),
    ),
    "mistral": ("MistralConfig", "MistralForCausalLM", SMALL | dict(sliding_window=64)),
    "exaone4": ("Exaone4Config", "Exaone4ForCausalLM", SMALL | SLIDING),
    "opt": (
        "OPTConfig", "OPTForCausalLM",
        OLD | dict(
            word_embed_proj_dim=HIDDEN, ffn_dim=48, num_hidden_layers=3, num_attention_heads=4, max_position_embeddings=128,
        ),
    ),
    "bloom": ("BloomConfig", "BloomForCausalLM", OLD | dict(n_layer=3, n_head=4)),
    "falcon": (
        "FalconConfig", "FalconForCausalLM",
        OLD | dict(
            num_hidden_layers=3, num_attention_heads=4, num_kv_heads=2, new_decoder_architecture=True, alibi=False,
            ffn_hidden_size=48, max_position_embeddings=128,
        ),
    ),
    "gpt-neox": (
        "GPTNeoXConfig", "GPTNeoXForCausalLM",
        OLD | dict(num_hidden_layers=3, num_attention_heads=4, intermediate_size=48, max_position_embeddings=128),
    ),
    "llama3-rope": ("LlamaConfig", "LlamaForCausalLM", SMALL | dict(rope_parameters=dict(
        rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=32,
    ))),
    "yarn": ("LlamaConfig", "LlamaForCausalLM", SMALL | dict(rope_parameters=dict(
        rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=32,
    ))),
    "phi3-long": ("Phi3Config", "Phi3ForCausalLM", SMALL | dict(
        pad_token_id=0, original_max_position_embeddings=64, max_position_embeddings=128,
        rope_parameters=dict(
            rope_type="longrope", rope_theta=10000.0, short_factor=[1.0, 1.1, 1.2, 1.3], long_factor=[2.0, 2.5, 3.0, 4.0],
            original_max_position_embeddings=64,
        ),
    )),
    "phi": ("PhiConfig", "PhiForCausalLM", SMALL),
    "stablelm": ("StableLmConfig", "StableLmForCausalLM", SMALL),
    "smollm3": ("SmolLM3Config", "SmolLM3ForCausalLM", SMALL | dict(pad_token_id=0, no_rope_layers=[1, 0, 1])),
    "arcee": ("ArceeConfig", "ArceeForCausalLM", SMALL),
    "olmo2": ("Olmo2Config", "Olmo2ForCausalLM", SMALL | dict(pad_token_id=0)),
    "olmo3": ("Olmo3Config", "Olmo3ForCausalLM", SMALL | dict(pad_token_id=0) | SLIDING),
    "granite": ("GraniteConfig", "GraniteForCausalLM", SMALL),
    "nemotron": ("NemotronConfig", "NemotronForCausalLM", SMALL),
    "hunyuan": ("HunYuanDenseV1Config", "HunYuanDenseV1ForCausalLM", SMALL | dict(head_dim=8)),
    "ernie4.5": ("Ernie4_5Config", "Ernie4_5ForCausalLM", SMALL | dict(head_dim=8)),
    "ministral": ("MinistralConfig", "MinistralForCausalLM", SMALL | dict(head_dim=8) | SLIDING),
    "glm": ("GlmConfig", "GlmForCausalLM", SMALL | dict(head_dim=8, pad_token_id=0)),
    "glm4": ("Glm4Config", "Glm4ForCausalLM", SMALL | dict(head_dim=8, pad_token_id=0)),
    "cohere": ("CohereConfig", "CohereForCausalLM", SMALL | dict(pad_token_id=0)),
    "cohere2": ("Cohere2Config", "Cohere2ForCausalLM", SMALL | dict(pad_token_id=0) | SLIDING),
    "starcoder2": ("Starcoder2Config", "Starcoder2ForCausalLM", SMALL),
    "seed-oss": ("SeedOssConfig", "SeedOssForCausalLM", SMALL | dict(head_dim=8)),
    "apertus": ("ApertusConfig", "ApertusForCausalLM", SMALL),
    "helium": ("HeliumConfig", "HeliumForCausalLM", SMALL | dict(head_dim=8, pad_token_id=0)),
    "gpt-oss": ("GptOssConfig", "GptOssForCausalLM", SMALL | dict(
        head_dim=8, num_local_experts=4, num_experts_per_tok=2, pad_token_id=0) | SLIDING),
    "qwen3-moe": ("Qwen3MoeConfig", "Qwen3MoeForCausalLM", SMALL | dict(
        head_dim=16, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=24)),
    "mixtral": ("MixtralConfig", "MixtralForCausalLM", SMALL | dict(num_local_experts=4)),
    # multi-head latent attention; keys and values of a head differ in size
    "deepseek-v3": ("DeepseekV3Config", "DeepseekV3ForCausalLM", SMALL | dict(
        num_key_value_heads=4, q_lora_rank=16, kv_lora_rank=16, qk_rope_head_dim=8, qk_nope_head_dim=8, v_head_dim=8,
        n_routed_experts=4, num_experts_per_tok=2, n_group=1, topk_group=1, moe_intermediate_size=24,
        first_k_dense_replace=3)),
    "gemma": ("GemmaConfig", "GemmaForCausalLM", SMALL | dict(head_dim=8, pad_token_id=0)),
    "jais2": ("Jais2Config", "Jais2ForCausalLM", SMALL),
    "doge": ("DogeConfig", "DogeForCausalLM", SMALL),
    "diffllama": ("DiffLlamaConfig", "DiffLlamaForCausalLM", SMALL),
    "bitnet": ("BitNetConfig", "BitNetForCausalLM", SMALL | dict(pad_token_id=0)),
    "persimmon": ("PersimmonConfig", "PersimmonForCausalLM", SMALL | dict(num_key_value_heads=4)),
    "lfm2": ("Lfm2Config", "Lfm2ForCausalLM", SMALL | dict(  # without its convolutions, which DynamicCache does not hold
        pad_token_id=0, layer_types=["full_attention"] * 3, block_auto_adjust_ff_dim=False)),
    "dots1": ("Dots1Config", "Dots1ForCausalLM", SMALL | dict(head_dim=8, first_k_dense_replace=3)),
    "vaultgemma": ("VaultGemmaConfig", "VaultGemmaForCausalLM", SMALL | dict(head_dim=8, pad_token_id=0) | SLIDING),
    "qwen2-moe": ("Qwen2MoeConfig", "Qwen2MoeForCausalLM", SMALL | dict(
        num_experts=4, num_experts_per_tok=2, moe_intermediate_size=24, shared_expert_intermediate_size=24)),
    "gemma4": ("Gemma4TextConfig", "Gemma4ForCausalLM", SMALL | dict(
        head_dim=16, global_head_dim=16, hidden_size_per_layer_input=0, pad_token_id=0) | SLIDING),
}

# How it is exported: torch.onnx's old exporter, its new one at three opsets, and caches that slide.
EXPORTERS = (
    "ts", "dynamo18", "dynamo20", "dynamo23", "ts-sliding", "dynamo18-sliding", "dynamo20-sliding", "dynamo23-sliding",
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="architecture-exporter")
    parser.add_argument("--list", action="store_true", help="name what can be made, and stop")
    arguments = parser.parse_args()
    names = [f"{architecture}-{exporter}" for architecture in ARCHITECTURES for exporter in EXPORTERS]
    if arguments.list or arguments.folder is None:
        print("\n".join(names))
        return
    unknown = set(arguments.only or ()) - set(names)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))} (--list names what can be made)")
    failed = []
    for name in arguments.only or names:
        architecture = next(a for a in sorted(ARCHITECTURES, key=len, reverse=True) if name.startswith(f"{a}-"))
        try:
            make(architecture, name[len(architecture) + 1 :], arguments.folder / name)
            print(f"{name}: made")
        except Exception as error:  # an exporter that cannot is a finding, not the end of the others
            failed.append(name)
            shutil.rmtree(arguments.folder / name, ignore_errors=True)
            print(f"{name}: {type(error).__name__}: {str(error).splitlines()[0][:200]}")
    if failed:
        raise SystemExit(f"not made: {', '.join(failed)}")


def make(architecture: str, exporter: str, folder: Path):
    config_class, model_class, values = ARCHITECTURES[architecture]
    config = getattr(hf, config_class)(**values)
    torch.manual_seed(7)
    model = getattr(hf, model_class)(config).eval().float()
    for parameter in model.parameters():
        if parameter.ndim == 1:  # norms and biases of their own, so that a mistake with them shows
            parameter.data.add_(0.1 * torch.randn_like(parameter))
        else:
            parameter.data.mul_(4)
    cases = [one_case(model, "one image", [4], [20], 30, 1), one_case(model, "two images", [3, 16], [9, 16], 40, 2)]
    folder.mkdir(parents=True, exist_ok=True)
    export(model, exporter, folder / "model.onnx")
    note = f"{architecture} by torch {torch.__version__}, transformers {hf.__version__}, exporter {exporter}"
    (folder / "expected.json").write_text(json.dumps({"note": note, "cases": cases}))


# ---- the reference -------------------------------------------------------------------------------------------------


def layers_of(model):
    for path in ("model.layers", "model.decoder.layers", "transformer.h", "gpt_neox.layers"):
        try:
            return model.get_submodule(path)
        except AttributeError:
            continue
    raise LookupError("the model's layers are not where they are known to be")


def attention_of(layer):
    names = ("self_attn", "self_attention", "attention", "attn")
    return next(getattr(layer, name) for name in names if hasattr(layer, name))


class FastV:
    """Lets layers from K on see the kept tokens only, call after call."""

    def __init__(self, model, ratio: float):
        self.ratio, self.image, self.kept, self.row = ratio, None, None, None
        layers = layers_of(model)
        self.handles = [attention_of(layers[K - 1]).register_forward_hook(self.look)]
        for layer in layers[K:]:
            self.handles.append(layer.register_forward_pre_hook(self.drop, with_kwargs=True))

    def look(self, _module, _inputs, output):
        if self.image is None:
            return
        self.row = output[1][:, :, -1].mean(1)[0]
        image = self.image.nonzero()[:, 0]
        count = round(len(image) * (1 - self.ratio))  # Python rounds halves to even
        best = sorted(image.tolist(), key=lambda i: (-self.row[i].item(), i))[:count]
        self.kept = torch.tensor(sorted(set(range(len(self.image))) - set(image.tolist()) | set(best)))

    def drop(self, module, inputs, named):
        if self.kept is None:
            return None
        length = len(self.kept)
        prefill = self.image is not None
        keys = self.kept if prefill else torch.cat([self.kept, torch.arange(self.prompt, self.total)])
        queries = self.kept if prefill else torch.arange(1)

        def pruned(value, name):
            if isinstance(value, tuple):
                return tuple(pruned(v, name) for v in value)
            if not isinstance(value, torch.Tensor):
                return value
            if name == "attention_mask":
                return value[..., queries, :][..., keys]
            if name == "alibi":
                return value[..., keys]
            if not prefill:
                return value
            if name == "cache_position":
                return value[queries]
            # [batch, sequence, …] but for a stack of them, whose sequence comes third
            axis = 2 if name == "hidden_states" and value.ndim == 4 or name == "stacked" else 1
            return value.index_select(axis, queries) if value.shape[axis] > length else value

        # Each layer hands its own, shorter output on; what the model gives to all of them is cut here.
        inputs = tuple(pruned(v, "hidden_states" if i == 0 else "other") for i, v in enumerate(inputs))
        return inputs, {name: pruned(value, name) for name, value in named.items()}

    def begin(self, image, prompt: int, total: int):
        self.image, self.prompt, self.total = image, prompt, total

    def close(self):
        for handle in self.handles:
            handle.remove()


@torch.no_grad()
def answers(model, embeds, positions, image, steps, ratio):
    """Logits of the prefill's last token and of each step, what was kept, the row that ranked, and cache lengths."""
    fastv = FastV(model, ratio)
    cache, length = DynamicCache(), embeds.shape[1]
    logits = []
    for step in range(len(steps) + 1):
        total = length + step
        fastv.begin(image if step == 0 else None, length, total)
        out = run(
            model, embeds if step == 0 else steps[step - 1], torch.ones(1, total, dtype=torch.int64),
            positions if step == 0 else torch.tensor([[total - 1]]), cache,
        )
        logits.append(out[0, -1])
    fastv.close()
    lengths = [cache.layers[i].keys.shape[2] for i in range(len(layers_of(model)))]
    return logits, fastv.kept, fastv.row, lengths


def run(model, embeds, mask, positions, cache):
    inputs = dict(inputs_embeds=embeds, attention_mask=mask, past_key_values=cache, use_cache=True)
    if "position_ids" in inspect.signature(type(model).forward).parameters:
        inputs["position_ids"] = positions
    if type(model).__name__ == "Gemma3nForCausalLM":  # what the embedding gives besides, for every token
        inputs["per_layer_inputs"] = torch.zeros(*embeds.shape[:2], model.config.num_hidden_layers, 8)
    return model(**inputs).logits


def one_case(model, name, starts, lengths, sequence, seed):
    generator = torch.Generator().manual_seed(seed)
    rounded = lambda *shape: (torch.randn(*shape, generator=generator) * 1e4).round() / 1e4
    embeds, steps = rounded(1, sequence, HIDDEN), [rounded(1, 1, HIDDEN) for _ in range(STEPS)]
    image = torch.zeros(sequence, dtype=torch.bool)
    for start, length in zip(starts, lengths):
        image[start : start + length] = True
    positions = torch.arange(sequence)[None]
    plain, _, _, _ = answers(model, embeds, positions, image, steps, 0.0)
    logits, kept, row, cache = answers(model, embeds, positions, image, steps, RATIO)
    numbers = lambda tensors: [[round(v, 6) for v in t.tolist()] for t in tensors]
    return {
        "name": name, "K": K, "R": RATIO, "shape": list(embeds.shape),
        "inputs_embeds": [round(v, 4) for v in embeds.flatten().tolist()],
        "attention_mask": [[1] * sequence], "position_ids": positions.tolist(),
        "image_token_mask": [image.int().tolist()],
        "decode_embeds": [[round(v, 4) for v in s.flatten().tolist()] for s in steps],
        "decode_position_ids": [[[sequence + i]] for i in range(STEPS)],
        "kept": [kept.tolist()], "last_row_attention": numbers([row]),
        "logits_R0": numbers(plain), "logits": numbers(logits), "cache_lengths": cache,
    }


# ---- the exporters -------------------------------------------------------------------------------------------------


class Decoder(torch.nn.Module):
    """A model as exports have it: caches in and out, tensor by tensor."""

    def __init__(self, model, sliding: bool):
        super().__init__()
        self.m, self.sliding = model, sliding

    def forward(self, inputs_embeds, attention_mask, position_ids, *past):
        cache = DynamicCache(config=self.m.config) if self.sliding else DynamicCache()
        for layer in range(len(past) // 2):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        logits = run(self.m, inputs_embeds, attention_mask, position_ids, cache)
        states = [t for layer in cache.layers for t in (layer.keys, layer.values)]
        return (logits, *states)


def export(model, exporter: str, path: Path):
    past, new = 3, 5
    filled = DynamicCache()
    run(model, torch.randn(2, past, HIDDEN), torch.ones(2, past, dtype=torch.int64), torch.arange(past)[None], filled)
    layers = len(filled.layers)
    arguments = (
        torch.randn(2, new, HIDDEN), torch.ones(2, past + new, dtype=torch.int64),
        torch.arange(past, past + new)[None].expand(2, -1).contiguous(),
        *[torch.randn_like(states) for layer in filled.layers for states in (layer.keys, layer.values)],
    )
    states = [f"{layer}.{part}" for layer in range(layers) for part in ("key", "value")]
    inputs = ["inputs_embeds", "attention_mask", "position_ids", *[f"past_key_values.{s}" for s in states]]
    outputs = ["logits", *[f"present.{s}" for s in states]]
    sequence, total, before = {0: "batch_size", 1: "sequence_length"}, "total_sequence_length", "past_sequence_length"
    axes = {name: sequence for name in ("inputs_embeds", "position_ids", "logits")}
    axes["attention_mask"] = {0: "batch_size", 1: total}
    axes |= {f"past_key_values.{s}": {0: "batch_size", 2: before} for s in states}
    axes |= {f"present.{s}": {0: "batch_size", 2: total} for s in states}
    decoder = Decoder(model, exporter.endswith("sliding")).eval()
    common = dict(input_names=inputs, output_names=outputs)
    with torch.no_grad():
        if exporter.startswith("ts"):
            torch.onnx.export(decoder, arguments, str(path), dynamo=False, opset_version=17, dynamic_axes=axes, **common)
            return
        free = torch.export.Dim.DYNAMIC
        tokens = {0: free, 1: free}
        shapes = (tokens, tokens, tokens, tuple({0: free, 2: free} for _ in range(2 * layers)))
        torch.onnx.export(
            decoder, arguments, str(path), dynamo=True, opset_version=int(exporter.removeprefix("dynamo").removesuffix("-sliding")),
            dynamic_shapes=shapes, external_data=False, **common,
        )


if __name__ == "__main__":
    main()
