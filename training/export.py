"""Writes the Transformers.js folder of a checkpoint: configs and ONNX files, full precision and 8 bit.

  python training/export.py runs/final.pt [models/scenes-llava] [--check]
  python training/export.py runs/sizes.pt models/scenes-llava-sizes --sizes [--check]
  python training/export.py --restore models/scenes-llava runs/restored.pt

The decoder is the graph that the ONNX Runtime GenAI builder would write, GroupQueryAttention,
SkipSimplifiedLayerNormalization, past_key_values.* in and present.* out, but for one thing: rotation by
position_ids and a mask that hides padding, so that rows may be padded on the left. Weights keep
their names, so `--restore` can make a checkpoint of the folder, to train on (the guided layers' numbers
travel in the graph's metadata).

With --sizes the vision encoder takes pictures of other sizes too, its positions interpolated in the graph.

--check compares every ONNX file with Hugging Face's LlavaForConditionalGeneration: prefill and decoding.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from data import Encoder
from model import Config, Llava, rope_table
from train import MODEL, load, save

OPSET = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
FLOAT, INT32, INT64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64


class Graph:
    """Collects nodes and weights; each method that adds a node gives its output's name."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def weight(self, name: str, value) -> str:
        array = value.detach().float().contiguous().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def add(self, op, name, inputs, outputs=None, **attributes) -> str:
        outputs = outputs or [f"{name}/output_0"]
        ours = op in ("GroupQueryAttention", "RotaryEmbedding", "SkipSimplifiedLayerNormalization")
        self.nodes.append(helper.make_node(op, inputs, outputs, name=name, domain="com.microsoft" if ours else "", **attributes))
        return outputs[0]

    def linear(self, name: str, x: str, layer, key: str) -> str:
        y = self.add("MatMul", f"{name}/MatMul", [x, self.weight(f"{key}.weight", layer.weight.T)])
        if getattr(layer, "bias", None) is None:
            return y
        return self.add("Add", f"{name}/Add", [y, self.weight(f"{key}.bias", layer.bias)])

    def save(self, path: Path, name, inputs, outputs, metadata=None):
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info(n, t, s) for n, t, s in inputs],
            [helper.make_tensor_value_info(n, t, s) for n, t, s in outputs],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=OPSET, ir_version=10, producer_name="fastv training/export.py")
        helper.set_model_props(model, metadata or {})
        onnx.save(model, path)


def decoder(model: Llava, path: Path):
    c, g = model.config, Graph()
    hd = c.width // c.heads
    # attention_mask → what GroupQueryAttention wants. Its lengths know padding on the right only, so they count every
    # key, and a bias hides those that are padding: rows of different lengths are padded on the left.
    one = g.weight("one", np.array([1], np.int32))
    index = g.weight("index_1", np.array(1, np.int64))
    shape = g.add("Shape", "/model/attn_mask/Shape", ["attention_mask"])
    length = g.add("Cast", "/model/attn_mask/total_length", [g.add("Gather", "/model/attn_mask/Gather", [shape, index], axis=0)], to=INT32)
    batch = g.add("Shape", "/model/attn_mask/batch", ["inputs_embeds"], start=0, end=1)
    last = g.add("Expand", "/model/attn_mask/seqlens_k", [g.add("Sub", "/model/attn_mask/Sub", [length, one]), batch])
    padding = g.add("Equal", "/model/attn_mask/padding", ["attention_mask", g.weight("zero", np.array(0, np.int64))])
    low, none = g.weight("hidden", np.array(np.finfo(np.float32).min, np.float32)), g.weight("seen", np.array(0, np.float32))
    row = g.add("Where", "/model/attn_mask/Where", [padding, low, none])
    row = g.add("Unsqueeze", "/model/attn_mask/Unsqueeze", [row, g.weight("axes_1_2", np.array([1, 2], np.int64))])
    sequence = g.add("Shape", "/model/attn_mask/sequence", ["inputs_embeds"], start=1, end=2)
    unit = g.weight("unit", np.array([1], np.int64))
    total = g.add("Shape", "/model/attn_mask/total", ["attention_mask"], start=1, end=2)
    square = g.add("Concat", "/model/attn_mask/square", [batch, unit, sequence, total], axis=0)
    bias = g.add("Expand", "/model/attn_mask/bias", [row, square])
    cos, sin = rope_table(c, torch.arange(c.max_positions))
    g.weight("cos_cache", cos[:, : hd // 2])
    g.weight("sin_cache", sin[:, : hd // 2])

    def skip_norm(name, stream, x, norm, key):
        out = [f"{name}/output_0", "", "", f"{name}/output_3"]
        g.add("SkipSimplifiedLayerNormalization", name, [stream, x, g.weight(f"{key}.weight", norm.weight)], out, epsilon=c.eps)
        return out[0], out[3]

    stream = "inputs_embeds"
    for i, layer in enumerate(model.layers):
        at, key = f"/model/layers.{i}", f"model.layers.{i}"
        if i == 0:
            w = g.weight(f"{key}.input_layernorm.weight", layer.input_layernorm.weight)
            x = g.add("SimplifiedLayerNormalization", f"{at}/input_layernorm", [stream, w], epsilon=c.eps, axis=-1, stash_type=1)
        else:
            x, stream = skip_norm(f"{at}/input_layernorm", stream, mlp, layer.input_layernorm, f"{key}.input_layernorm")  # noqa: F821
        qkv = g.linear(f"{at}/attn/qkv_proj", x, layer.qkv, f"{key}.self_attn.qkv_proj")
        q, k, v = (f"{at}/attn/Split/output_{n}" for n in range(3))
        g.add("Split", f"{at}/attn/Split", [qkv], [q, k, v], axis=-1, num_outputs=3)
        q, k = (g.add("RotaryEmbedding", f"{at}/attn/{n}_rotary", [x, "position_ids", "cos_cache", "sin_cache"]) for n, x in (("q", q), ("k", k)))
        past = [f"past_key_values.{i}.key", f"past_key_values.{i}.value"]
        y = g.add(
            "GroupQueryAttention",
            f"{at}/attn/GroupQueryAttention",
            [q, k, v, *past, last, length, "", "", "", bias],
            [f"{at}/attn/GroupQueryAttention/output_0", f"present.{i}.key", f"present.{i}.value"],
            num_heads=c.heads,
            kv_num_heads=c.heads,
            scale=hd**-0.5,
        )
        o = g.linear(f"{at}/attn/o_proj", y, layer.o_proj, f"{key}.self_attn.o_proj")
        name = "post_attention_layernorm"
        x, stream = skip_norm(f"{at}/{name}", stream, o, layer.post_attention_layernorm, f"{key}.{name}")
        gate_weight, up_weight = layer.gate_up.weight.chunk(2, 0)
        gate = g.add("MatMul", f"{at}/mlp/gate_proj/MatMul", [x, g.weight(f"{key}.mlp.gate_proj.weight", gate_weight.T)])
        up = g.add("MatMul", f"{at}/mlp/up_proj/MatMul", [x, g.weight(f"{key}.mlp.up_proj.weight", up_weight.T)])
        act = g.add("Mul", f"{at}/mlp/act_fn/Mul", [gate, g.add("Sigmoid", f"{at}/mlp/act_fn/Sigmoid", [gate])])
        mlp = g.linear(f"{at}/mlp/down_proj", g.add("Mul", f"{at}/mlp/Mul", [act, up]), layer.down_proj, f"{key}.mlp.down_proj")
    x, _ = skip_norm("/model/norm", stream, mlp, model.norm, "model.norm")
    g.add("MatMul", "/lm_head/MatMul", [x, g.weight("lm_head.weight", model.lm_head.weight.T)], ["logits"])
    cache = lambda kind, n: [(f"{kind}.{i}.{kv}", FLOAT, ["batch_size", c.heads, n, hd]) for i in range(c.layers) for kv in ("key", "value")]  # noqa: E731
    g.save(
        path,
        "decoder",
        [
            ("inputs_embeds", FLOAT, ["batch_size", "sequence_length", c.width]),
            ("attention_mask", INT64, ["batch_size", "total_sequence_length"]),
            ("position_ids", INT64, ["batch_size", "sequence_length"]),
            *cache("past_key_values", "past_sequence_length"),
        ],
        [("logits", FLOAT, ["batch_size", "sequence_length", c.vocab]), *cache("present", "total_sequence_length")],
        {"training_config": json.dumps(c.dict())},
    )


def vision_encoder(model: Llava, path: Path, sizes=False):
    """pixel_values [n, 3, 96, 96] → image_features [n, 144, width]: tower and projector. With `sizes`, of any multiple of 8."""
    c, g, t = model.config, Graph(), model.tower
    d, p, heads = c.tower_width, c.patch, c.tower_heads
    kernel = t.patch_embedding.weight.view(d, 3, p, p)
    x = g.add("Conv", "/tower/patch_embedding/Conv", ["pixel_values", g.weight("vision_tower.patch_embedding.weight", kernel)], kernel_shape=[p, p], strides=[p, p])
    x = g.add("Reshape", "/tower/Reshape", [x, g.weight("shape_patches", np.array([0, d, -1], np.int64))])
    x = g.add("Transpose", "/tower/Transpose", [x], perm=[0, 2, 1])
    count = g.add("Shape", "/tower/Shape", ["pixel_values"], end=1)
    size = g.add("Concat", "/tower/class/size", [count, g.weight("one_by_width", np.array([1, d], np.int64))], axis=0)
    token = g.add("Expand", "/tower/class/Expand", [g.weight("vision_tower.class_embedding", t.class_embedding.view(1, 1, d)), size])
    x = g.add("Concat", "/tower/Concat", [token, x], axis=1)
    table = g.weight("vision_tower.position_embedding", t.position_embedding)
    x = g.add("Add", "/tower/position/Add", [x, interpolated(g, table, c) if sizes else table])

    def norm(name, x, layer, key):
        return g.add("LayerNormalization", name, [x, g.weight(f"{key}.weight", layer.weight), g.weight(f"{key}.bias", layer.bias)], axis=-1, epsilon=1e-5)

    x = norm("/tower/pre_layrnorm", x, t.pre_layrnorm, "vision_tower.pre_layrnorm")
    split = g.weight("shape_heads", np.array([0, 0, heads, d // heads], np.int64))
    join = g.weight("shape_joined", np.array([0, 0, d], np.int64))
    scale = g.weight("attention_scale", np.array((d // heads) ** -0.5, np.float32))
    for i, layer in enumerate(t.layers):
        at, key = f"/tower/layers.{i}", f"vision_tower.layers.{i}"
        h = norm(f"{at}/layer_norm1", x, layer.layer_norm1, f"{key}.layer_norm1")
        parts = []
        for n, (w, b, perm) in enumerate(zip(layer.qkv.weight.chunk(3), layer.qkv.bias.chunk(3), ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))):
            name, k = f"{at}/attn/{'qkv'[n]}", f"{key}.{'qkv'[n]}_proj"
            y = g.add("MatMul", f"{name}/MatMul", [h, g.weight(f"{k}.weight", w.T)])
            y = g.add("Add", f"{name}/Add", [y, g.weight(f"{k}.bias", b)])
            parts.append(g.add("Transpose", f"{name}/Transpose", [g.add("Reshape", f"{name}/Reshape", [y, split])], perm=perm))
        q, k, v = parts
        a = g.add("Mul", f"{at}/attn/Mul", [g.add("MatMul", f"{at}/attn/scores", [q, k]), scale])
        y = g.add("MatMul", f"{at}/attn/values", [g.add("Softmax", f"{at}/attn/Softmax", [a], axis=-1), v])
        y = g.add("Reshape", f"{at}/attn/join", [g.add("Transpose", f"{at}/attn/Transpose", [y], perm=[0, 2, 1, 3]), join])
        x = g.add("Add", f"{at}/Add", [x, g.linear(f"{at}/attn/out_proj", y, layer.out_proj, f"{key}.out_proj")])
        h = norm(f"{at}/layer_norm2", x, layer.layer_norm2, f"{key}.layer_norm2")
        h = g.add("Gelu", f"{at}/mlp/Gelu", [g.linear(f"{at}/mlp/fc1", h, layer.fc1, f"{key}.fc1")])
        x = g.add("Add", f"{at}/mlp/Add", [x, g.linear(f"{at}/mlp/fc2", h, layer.fc2, f"{key}.fc2")])
    first, end, axis = (g.weight(n, np.array([v], np.int64)) for n, v in (("slice_start", 1), ("slice_end", 1 << 30), ("slice_axis", 1)))
    x = g.add("Slice", "/tower/Slice", [x, first, end, axis])
    x = g.add("Gelu", "/projector/Gelu", [g.linear("/projector/linear_1", x, model.linear_1, "projector.linear_1")])
    x = g.linear("/projector/linear_2", x, model.linear_2, "projector.linear_2")
    g.nodes[-1].output[0] = "image_features"
    sides, patches = (["height", "width"], "num_patches") if sizes else ([c.image_size] * 2, c.patches)
    g.save(path, "vision_encoder", [("pixel_values", FLOAT, ["num_images", 3, *sides])], [("image_features", FLOAT, ["num_images", patches, c.width])])


def interpolated(g: Graph, table: str, c: Config) -> str:
    """Tower.positions of the grid of pixel_values: the class token's position, and the others bicubically."""
    ints = lambda name, *values: g.weight(f"position_{name}", np.array(values, np.int64))  # noqa: E731
    side, zero, one, end = c.image_size // c.patch, ints("zero", 0), ints("one", 1), ints("end", 1 << 30)
    first = g.add("Slice", "/tower/position/class", [table, zero, one, zero])
    rest = g.add("Slice", "/tower/position/patches", [table, one, end, zero])
    grid = g.add("Reshape", "/tower/position/grid", [rest, ints("grid", 1, side, side, c.tower_width)])
    grid = g.add("Transpose", "/tower/position/map", [grid], perm=[0, 3, 1, 2])
    sides = g.add("Shape", "/tower/position/pixels", ["pixel_values"], start=2, end=4)
    sides = g.add("Div", "/tower/position/sides", [sides, ints("patch", c.patch)])
    sizes = g.add("Concat", "/tower/position/sizes", [ints("width", 1, c.tower_width), sides], axis=0)
    how = {"mode": "cubic", "cubic_coeff_a": -0.75, "coordinate_transformation_mode": "half_pixel"}
    grid = g.add("Resize", "/tower/position/Resize", [grid, "", "", sizes], **how)
    flat = g.add("Reshape", "/tower/position/flat", [grid, ints("flat", c.tower_width, -1)])
    flat = g.add("Transpose", "/tower/position/rows", [flat], perm=[1, 0])
    return g.add("Concat", "/tower/position/table", [first, flat], axis=0)


def embed_tokens(model: Llava, path: Path):
    g = Graph()
    g.add("Gather", "/embed_tokens/Gather", [g.weight("embed_tokens.weight", model.embed_tokens.weight), "input_ids"], ["inputs_embeds"])
    g.save(path, "embed_tokens", [("input_ids", INT64, ["batch_size", "sequence_length"])], [("inputs_embeds", FLOAT, ["batch_size", "sequence_length", model.config.width])])


def quantize(folder: Path):
    """Signed 8-bit weights a channel, activations quantised as they come: the fast kernels on CPUs."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    for name, ops in (("vision_encoder", ["MatMul"]), ("decoder_model_merged", ["MatMul"]), ("embed_tokens", ["Gather"])):
        quantize_dynamic(
            folder / f"{name}.onnx",
            folder / f"{name}_quantized.onnx",
            op_types_to_quantize=ops,
            per_channel=name != "embed_tokens",
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True, "WeightSymmetric": True, "DefaultTensorType": FLOAT},
        )


def configs(model: Llava, encoder: Encoder, folder: Path):
    c, token = model.config, encoder.id
    text = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": c.vocab,
        "hidden_size": c.width,
        "intermediate_size": c.mlp,
        "num_hidden_layers": c.layers,
        "num_attention_heads": c.heads,
        "num_key_value_heads": c.heads,
        "head_dim": c.width // c.heads,
        "hidden_act": "silu",
        "max_position_embeddings": c.max_positions,
        "rms_norm_eps": c.eps,
        "rope_theta": c.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": c.rope_theta},
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": False,
        "bos_token_id": token("<s>"),
        "eos_token_id": token("</s>"),
        "pad_token_id": token("<pad>"),
    }
    vision = {
        "model_type": "clip_vision_model",
        "hidden_size": c.tower_width,
        "intermediate_size": 4 * c.tower_width,
        "num_hidden_layers": c.tower_layers,
        "num_attention_heads": c.tower_heads,
        "image_size": c.image_size,
        "patch_size": c.patch,
        "num_channels": 3,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "projection_dim": c.tower_width,
    }
    put = lambda name, value: (folder / name).write_text(json.dumps(value, indent=2) + "\n")  # noqa: E731
    put(
        "config.json",
        {
            "architectures": ["LlavaForConditionalGeneration"],
            "model_type": "llava",
            "image_token_index": token("<image>"),
            "image_token_id": token("<image>"),
            "image_seq_length": c.patches,
            "projector_hidden_act": "gelu",
            "multimodal_projector_bias": True,
            "vision_feature_layer": -1,
            "vision_feature_select_strategy": "default",
            "tie_word_embeddings": False,
            "bos_token_id": token("<s>"),
            "eos_token_id": token("</s>"),
            "pad_token_id": token("<pad>"),
            "text_config": text,
            "vision_config": vision,
        },
    )
    put(
        "generation_config.json",
        {
            "bos_token_id": token("<s>"),
            "eos_token_id": token("</s>"),
            "pad_token_id": token("<pad>"),
            "do_sample": False,
            "max_new_tokens": 96,
        },
    )
    put(
        "preprocessor_config.json",
        {
            "image_processor_type": "CLIPImageProcessor",
            "processor_class": "LlavaProcessor",
            "do_convert_rgb": True,
            "do_resize": True,
            "size": {"height": c.image_size, "width": c.image_size},
            "resample": 3,
            "do_center_crop": False,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
        },
    )
    put(
        "processor_config.json",
        {
            "processor_class": "LlavaProcessor",
            # Both Transformers.js (which adds num_additional_image_tokens) and Hugging Face (which takes one
            # away under "default") must come to 144; that the class token goes is said in config.json.
            "patch_size": c.patch,
            "vision_feature_select_strategy": "full",
            "num_additional_image_tokens": 0,
            "image_token": "<image>",
        },
    )


def hf_model(model: Llava, folder: Path):
    """The same weights in Hugging Face's class."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    hf = LlavaForConditionalGeneration(LlavaConfig.from_pretrained(folder)).eval()
    state, t = {}, model.tower
    v = "model.vision_tower."
    # transformers 4 nests the tower in `vision_model`
    if any(k.startswith(v + "vision_model.") for k in hf.state_dict()):
        v += "vision_model."
    c = model.config
    state[v + "embeddings.patch_embedding.weight"] = t.patch_embedding.weight.view(c.tower_width, 3, c.patch, c.patch)
    state[v + "embeddings.class_embedding"] = t.class_embedding
    state[v + "embeddings.position_embedding.weight"] = t.position_embedding
    for n in ("weight", "bias"):
        state[f"{v}pre_layrnorm.{n}"] = getattr(t.pre_layrnorm, n)
        for i, layer in enumerate(t.layers):
            at = f"{v}encoder.layers.{i}."
            for part, w in zip("qkv", getattr(layer.qkv, n).chunk(3)):
                state[f"{at}self_attn.{part}_proj.{n}"] = w
            state[f"{at}self_attn.out_proj.{n}"] = getattr(layer.out_proj, n)
            for k in ("layer_norm1", "layer_norm2"):
                state[f"{at}{k}.{n}"] = getattr(getattr(layer, k), n)
            for k in ("fc1", "fc2"):
                state[f"{at}mlp.{k}.{n}"] = getattr(getattr(layer, k), n)
        for k in ("linear_1", "linear_2"):
            state[f"model.multi_modal_projector.{k}.{n}"] = getattr(getattr(model, k), n)
    state["model.language_model.embed_tokens.weight"] = model.embed_tokens.weight
    state["model.language_model.norm.weight"] = model.norm.weight
    state["lm_head.weight"] = model.lm_head.weight
    for i, layer in enumerate(model.layers):
        at = f"model.language_model.layers.{i}."
        for part, w in zip("qkv", layer.qkv.weight.chunk(3)):
            state[f"{at}self_attn.{part}_proj.weight"] = w
        state[f"{at}self_attn.o_proj.weight"] = layer.o_proj.weight
        for part, w in zip(("gate", "up"), layer.gate_up.weight.chunk(2)):
            state[f"{at}mlp.{part}_proj.weight"] = w
        state[f"{at}mlp.down_proj.weight"] = layer.down_proj.weight
        for k in ("input_layernorm", "post_attention_layernorm"):
            state[f"{at}{k}.weight"] = getattr(layer, k).weight
    missing, unexpected = hf.load_state_dict({k: x.detach() for k, x in state.items()}, strict=False)
    missing = [k for k in missing if "post_layernorm" not in k and "position_ids" not in k]
    if missing or unexpected:
        raise ValueError(f"Hugging Face's model has other weights: missing {missing}, unexpected {unexpected}")
    return hf


@torch.no_grad()
def check(model: Llava, encoder: Encoder, folder: Path, suffix="", tolerance=1e-3, steps=6):
    """The largest difference of logits, ONNX Runtime against Hugging Face, over prefill and decoding of a padded batch."""
    import onnxruntime as ort

    open_ = lambda name: ort.InferenceSession(folder / "onnx" / f"{name}{suffix}.onnx", providers=["CPUExecutionProvider"])  # noqa: E731
    see, embed, run = open_("vision_encoder"), open_("embed_tokens"), open_("decoder_model_merged")
    hf = hf_model(model, folder)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(2, 3, 96, 96, generator=generator) * 2 - 1
    # a third of the image is flat, as scenes are
    pixels[..., :32] = 0.3
    rows = [[*encoder.prefix(1).ids, *encoder.encode(q)] for q in ("How many red cars are there? ASSISTANT:", "A cat? ASSISTANT:")]
    length = max(map(len, rows))
    ids = torch.tensor([[encoder.id("<pad>")] * (length - len(row)) + row for row in rows])
    more = torch.randint(4, 800, (2, steps), generator=generator)
    every = torch.cat([ids, more], 1)
    mask = torch.tensor([[0] * (length - len(row)) + [1] * (len(row) + steps) for row in rows])
    places = (mask.cumsum(1) - 1).clamp(min=0)
    want = hf(input_ids=every, attention_mask=mask, position_ids=places, pixel_values=pixels).logits.numpy()
    features = see.run(None, {"pixel_values": pixels.numpy()})[0]
    x = embed.run(None, {"input_ids": ids.numpy()})[0]
    x[(ids == encoder.id("<image>")).numpy()] = features.reshape(-1, x.shape[-1])
    c = model.config
    cache = {f"past_key_values.{i}.{kv}": np.zeros((2, c.heads, 0, c.width // c.heads), np.float32) for i in range(c.layers) for kv in ("key", "value")}
    names, worst, seen = [o.name for o in run.get_outputs()], 0.0, 0
    for step in range(steps + 1):
        n = ids.shape[1] + step
        feeds = {"inputs_embeds": x, "attention_mask": mask[:, :n].numpy(), "position_ids": places[:, seen:n].numpy()}
        out = dict(zip(names, run.run(None, {**feeds, **cache})))
        there = mask[:, seen:n].numpy() == 1
        worst = max(worst, float(np.abs(out["logits"] - want[:, seen:n])[there].max()))
        seen = n
        cache = {k.replace("present", "past_key_values"): v for k, v in out.items() if k != "logits"}
        if step < steps:
            x = embed.run(None, {"input_ids": more[:, step : step + 1].numpy()})[0]
    print(f"{suffix or 'fp32'}: largest difference of logits {worst:.2e} (they reach {np.abs(want).max():.1f})")
    if worst > tolerance:
        raise SystemExit(f"more than {tolerance}")
    return worst


def restore(folder: Path, out: Path):
    """A checkpoint of an exported folder's full-precision files."""
    files = {n: onnx.load(folder / "onnx" / f"{n}.onnx") for n in ("decoder_model_merged", "vision_encoder", "embed_tokens")}
    meta = {p.key: p.value for p in files["decoder_model_merged"].metadata_props}
    config = Config(**json.loads(meta["training_config"]))
    w = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for m in files.values() for t in m.graph.initializer}
    s = {"embed_tokens.weight": w["embed_tokens.weight"], "norm.weight": w["model.norm.weight"], "lm_head.weight": w["lm_head.weight"].T}
    for i in range(config.layers):
        a, b = f"layers.{i}.", f"model.layers.{i}."
        s[a + "qkv.weight"] = w[b + "self_attn.qkv_proj.weight"].T
        s[a + "o_proj.weight"] = w[b + "self_attn.o_proj.weight"].T
        s[a + "gate_up.weight"] = torch.cat([w[b + "mlp.gate_proj.weight"].T, w[b + "mlp.up_proj.weight"].T])
        s[a + "down_proj.weight"] = w[b + "mlp.down_proj.weight"].T
        for k in ("input_layernorm", "post_attention_layernorm"):
            s[f"{a}{k}.weight"] = w[f"{b}{k}.weight"]
    for k in ("linear_1", "linear_2"):
        s[k + ".weight"], s[k + ".bias"] = w[f"projector.{k}.weight"].T, w[f"projector.{k}.bias"]
    v = "vision_tower."
    s["tower.patch_embedding.weight"] = w[v + "patch_embedding.weight"].flatten(1)
    s["tower.class_embedding"] = w[v + "class_embedding"].flatten()
    s["tower.position_embedding"] = w[v + "position_embedding"]
    for n in ("weight", "bias"):
        turn = (lambda x: x.T) if n == "weight" else (lambda x: x)
        s[f"tower.pre_layrnorm.{n}"] = w[f"{v}pre_layrnorm.{n}"]
        for i in range(config.tower_layers):
            a, b = f"tower.layers.{i}.", f"{v}layers.{i}."
            s[f"{a}qkv.{n}"] = torch.cat([turn(w[f"{b}{p}_proj.{n}"]) for p in "qkv"])
            for k in ("out_proj", "fc1", "fc2"):
                s[f"{a}{k}.{n}"] = turn(w[f"{b}{k}.{n}"])
            for k in ("layer_norm1", "layer_norm2"):
                s[f"{a}{k}.{n}"] = w[f"{b}{k}.{n}"]
    model = Llava(config)
    model.load_state_dict(s)
    save(out, model, None, 0)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("source", type=Path)
    p.add_argument("target", type=Path, nargs="?", default=MODEL)
    p.add_argument("--restore", action="store_true")
    p.add_argument("--check", action="store_true")
    p.add_argument("--tower", type=Path, help="a checkpoint of train_tower.py, in the place of the model's tower")
    p.add_argument("--sizes", action="store_true", help="pictures of several sizes, positions interpolated")
    args = p.parse_args()
    if args.restore:
        restore(args.source, args.target)
        return
    model, _ = load(args.source)
    if args.tower:
        model.tower.load_state_dict(torch.load(args.tower)["tower"])
    model.eval()
    encoder = Encoder(MODEL)
    folder = args.target / "onnx"
    folder.mkdir(parents=True, exist_ok=True)
    configs(model, encoder, args.target)
    decoder(model, folder / "decoder_model_merged.onnx")
    vision_encoder(model, folder / "vision_encoder.onnx", args.sizes)
    embed_tokens(model, folder / "embed_tokens.onnx")
    quantize(folder)
    for f in sorted(folder.glob("*.onnx")):
        print(f"{f.name} {f.stat().st_size / 1e6:.1f} MB")
    if args.check:
        check(model, encoder, args.target)
        check(model, encoder, args.target, "_quantized", tolerance=float("inf"))


if __name__ == "__main__":
    main()
