"""The model: LLaVA in small, written out so that it trains fast on a CPU.

The arithmetic is that of Hugging Face's CLIPVisionModel (pre-LayerNorm, exact GELU), LLaVA's 2-layer
GELU projector and LlamaForCausalLM; `hf_state_dict` gives the weights Hugging Face's names, and
test_model.py holds the two together. What is different is the layout of training: many questions
share one image, each sees the system prompt, the image and itself, never the other questions.
"""

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class Config:
    # vision tower
    image_size: int = 96
    patch: int = 8
    tower_width: int = 192
    tower_layers: int = 5
    tower_heads: int = 4
    # decoder
    vocab: int = 1024
    width: int = 256
    layers: int = 4
    heads: int = 4
    mlp: int = 704
    rope_theta: float = 1e6  # slow enough that many dimensions match by content, not by place
    max_positions: int = 2048
    eps: float = 1e-5
    # layers whose attention is guided in training (first head): where words find what they name,
    # and where the answer finds the words
    guided_layer: int = 1
    reading_layer: int = 2

    @property
    def patches(self) -> int:
        return (self.image_size // self.patch) ** 2

    dict = asdict


class TowerBlock(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        d = c.tower_width
        self.heads = c.tower_heads
        self.layer_norm1 = nn.LayerNorm(d)
        self.qkv = nn.Linear(d, 3 * d)
        self.out_proj = nn.Linear(d, d)
        self.layer_norm2 = nn.LayerNorm(d)
        self.fc1 = nn.Linear(d, 4 * d)
        self.fc2 = nn.Linear(4 * d, d)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(self.layer_norm1(x)).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        a = (q @ k.transpose(-1, -2)) * (1 / math.sqrt(d // self.heads))
        y = (a.softmax(-1).to(v.dtype) @ v).transpose(1, 2).reshape(b, n, d)
        x = x + self.out_proj(y)
        return x + self.fc2(F.gelu(self.fc1(self.layer_norm2(x))))


class Tower(nn.Module):
    """Images [batch, 3, h, w] → patch features [batch, h · w / 64, width], the class token dropped.

    Positions of another grid than the 12 × 12 of 96 pixels are interpolated, as Hugging Face's CLIP does
    (`interpolate_pos_encoding`: bicubic)."""

    def __init__(self, c: Config):
        super().__init__()
        d = c.tower_width
        self.patch = c.patch
        self.patch_embedding = nn.Linear(3 * c.patch * c.patch, d, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(d) * 0.02)
        self.position_embedding = nn.Parameter(torch.randn(c.patches + 1, d) * 0.02)
        self.pre_layrnorm = nn.LayerNorm(d)
        self.layers = nn.ModuleList(TowerBlock(c) for _ in range(c.tower_layers))

    def forward(self, images):
        b, _, h, w = images.shape
        p = self.patch
        x = images.view(b, 3, h // p, p, w // p, p).permute(0, 2, 4, 1, 3, 5).reshape(b, -1, 3 * p * p)
        x = self.patch_embedding(x)
        x = torch.cat([self.class_embedding.expand(b, 1, -1).to(x.dtype), x], 1) + self.positions(h // p, w // p)
        x = self.pre_layrnorm(x)
        for layer in self.layers:
            x = layer(x)
        return x[:, 1:]

    def positions(self, rows: int, columns: int):
        """The position table [1 + rows · columns, width] of a grid."""
        table = self.position_embedding
        side = math.isqrt(len(table) - 1)
        if (rows, columns) == (side, side):
            return table
        grid = table[1:].view(1, side, side, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, size=(rows, columns), mode="bicubic", align_corners=False)
        return torch.cat([table[:1], grid.flatten(2).squeeze(0).T])


def rms_norm(x, weight, eps: float):
    x = x.float()
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


class RMSNorm(nn.Module):
    def __init__(self, d: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d))
        self.eps = eps

    def forward(self, x):
        return rms_norm(x, self.weight, self.eps)


def rope_table(c: Config, positions):
    """cos and sin for positions [...] → [..., head_dim]."""
    half = c.width // c.heads // 2
    inv = c.rope_theta ** (-torch.arange(half, dtype=torch.float32, device=positions.device) / half)
    angle = positions.float()[..., None] * inv
    angle = torch.cat([angle, angle], -1)
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], -1)
    return (x * cos + turned * sin).to(x.dtype)


class DecoderLayer(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        d = c.width
        self.heads = c.heads
        self.input_layernorm = RMSNorm(d, c.eps)
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.o_proj = nn.Linear(d, d, bias=False)
        self.post_attention_layernorm = RMSNorm(d, c.eps)
        self.gate_up = nn.Linear(d, 2 * c.mlp, bias=False)
        self.down_proj = nn.Linear(c.mlp, d, bias=False)

    def finish(self, x, y):
        """The token-wise rest of the layer: output projection and MLP."""
        x = x + self.o_proj(y)
        gate, up = self.gate_up(self.post_attention_layernorm(x)).chunk(2, -1)
        return x + self.down_proj(F.silu(gate) * up)

    def forward(self, x, prefix: int, blocks: int, cos, sin, prefix_mask, block_mask):
        """x [batch, prefix + blocks * length, width]: one prefix, then equally long blocks.

        Returns x and the rotated q, k of all tokens [batch, heads, tokens, head_dim].
        """
        norms = self.input_layernorm.weight, self.post_attention_layernorm.weight
        matrices = self.qkv.weight, self.o_proj.weight, self.gate_up.weight, self.down_proj.weight
        eps = self.input_layernorm.eps
        return DecoderLayer.math(x, *norms, *matrices, self.heads, eps, prefix, blocks, cos, sin, prefix_mask, block_mask)


def layer_math(x, norm1, norm2, qkv, o, gate_up, down, heads: int, eps: float, prefix: int, blocks: int, cos, sin, prefix_mask, block_mask):
    """DecoderLayer.forward as a function of its weights, so that one compilation serves every layer."""
    b, n, d = x.shape
    hd = d // heads
    q, k, v = F.linear(rms_norm(x, norm1, eps), qkv).view(b, n, 3, heads, hd).permute(2, 0, 3, 1, 4)
    q, k = rotate(q, cos, sin), rotate(k, cos, sin)
    q = q * (1 / math.sqrt(hd))
    qp, qb = q[:, :, :prefix], q[:, :, prefix:]
    kp, vp = k[:, :, :prefix], v[:, :, :prefix]
    split = lambda t: t[:, :, prefix:].reshape(b, heads, blocks, -1, hd)  # noqa: E731
    ap = (qp @ kp.transpose(-1, -2)).float() + prefix_mask
    yp = ap.softmax(-1).to(v.dtype) @ vp
    to_prefix = (qb @ kp.transpose(-1, -2)).view(b, heads, blocks, -1, prefix)
    to_self = split(q) @ split(k).transpose(-1, -2)
    a = torch.cat([to_prefix.float(), to_self.float() + block_mask], -1).softmax(-1).to(v.dtype)
    yb = (a[..., :prefix].reshape(b, heads, -1, prefix) @ vp).view(b, heads, blocks, -1, hd)
    yb = (yb + a[..., prefix:] @ split(v)).reshape(b, heads, -1, hd)
    y = torch.cat([yp, yb], 2).transpose(1, 2).reshape(b, n, d)
    x = x + F.linear(y, o)
    gate, up = F.linear(rms_norm(x, norm2, eps), gate_up).chunk(2, -1)
    return x + F.linear(F.silu(gate) * up, down), q, k


DecoderLayer.math = staticmethod(layer_math)


class Llava(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.config = c
        self.tower = Tower(c)
        self.linear_1 = nn.Linear(c.tower_width, c.width)
        self.linear_2 = nn.Linear(c.width, c.width)
        self.embed_tokens = nn.Embedding(c.vocab, c.width)
        self.layers = nn.ModuleList(DecoderLayer(c) for _ in range(c.layers))
        self.norm = RMSNorm(c.width, c.eps)
        self.lm_head = nn.Linear(c.width, c.vocab, bias=False)
        nn.init.normal_(self.embed_tokens.weight, std=1.0 / math.sqrt(c.width))
        nn.init.normal_(self.lm_head.weight, std=0.02)
        for layer in self.layers:
            for m in (layer.qkv, layer.gate_up):
                nn.init.normal_(m.weight, std=1.0 / math.sqrt(c.width))
            for m in (layer.o_proj, layer.down_proj):
                nn.init.normal_(m.weight, std=0.2 / math.sqrt(c.width))

    def project(self, features):
        return self.linear_2(F.gelu(self.linear_1(features)))


def layout(c: Config, kept, prefix: int, blocks: int, length: int):
    """The rotary tables [b, 1, tokens, head_dim] and additive masks of a prefix with `blocks` blocks.

    `kept` [b, P]: the places in the prefix, `prefix` long, of the tokens that are there."""
    b, there = kept.shape
    own = torch.arange(length, device=kept.device) + prefix
    positions = torch.cat([kept, own.repeat(blocks).expand(b, -1)], 1)
    cos, sin = (t[:, None] for t in rope_table(c, positions))
    causal = lambda n: torch.full((n, n), float("-inf"), device=kept.device).triu(1)  # noqa: E731
    return cos, sin, causal(there), causal(length)


def decode(model: Llava, x, prefix: int, blocks: int, tables):
    """Runs the decoder's layers; also gives q and k [b, heads, tokens, head_dim] of each of them."""
    attended = []
    for layer in model.layers:
        x, q, k = layer(x, prefix, blocks, *tables)
        attended.append((q, k))
    return x, attended


def guide_loss(q, k, at, to, prefix: int, length: int):
    """Cross entropy of one head's attention at the tokens `at` [g, 2] to the targets `to`
    [g, prefix + length]: the prefix, then the token's own block (for a token of the prefix, nothing)."""
    b, position = at[:, 0], at[:, 1]
    rows = q[b, position].float()  # [g, head_dim]
    to_prefix = torch.einsum("gd,gpd->gp", rows, k[b, :prefix].float())
    to_prefix = to_prefix.masked_fill(torch.arange(prefix, device=q.device) > position[:, None], -1e9)
    own = position - (position - prefix) % length  # where the token's block starts
    mine = own[:, None] + torch.arange(length, device=q.device)  # [g, length]
    hidden = (mine > position[:, None]) | (position[:, None] < prefix)
    to_self = torch.einsum("gd,gld->gl", rows, k[b[:, None], mine].float())
    to_self = to_self.masked_fill(hidden, -1e9)
    log = torch.cat([to_prefix, to_self], -1).log_softmax(-1)
    return -(to * log).sum(-1).mean()
