"""Teaches freshly inserted front layers where to look, at next to no cost.

  python train_look.py runs/grown.pt --out runs/looking.pt --minutes 3

The layers that `grow` puts in front add nothing to the residual stream yet, so their queries and keys can be
trained alone, on the embeddings: from the end of the prompt to the patches that are not background, most to
those that hold a centre, in every head. What the model answers does not change by it.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from data import Encoder, batches, pick_questions
from model import guide_loss, rope_table, rotate
from train import MODEL, lines_of, load, save
from train_tower import normalize


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint", type=Path)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--train", type=Path, default=Path("runs/train.jsonl"))
    p.add_argument("--minutes", type=float, default=3)
    p.add_argument("--batch", type=int, default=24)
    p.add_argument("--lr", type=float, default=3e-3)
    args = p.parse_args()
    torch.manual_seed(0)
    encoder = Encoder(MODEL)
    model, state = load(args.checkpoint)
    c = model.config
    model.requires_grad_(False)
    idle = []
    for layer in model.layers:
        if layer.o_proj.weight.any() or layer.down_proj.weight.any():
            break
        idle.append(layer)
    if not idle:
        raise SystemExit("no idle layers in front: grow the model first")
    for layer in idle:
        layer.qkv.weight.requires_grad_(True)
    optimizer = torch.optim.AdamW([layer.qkv.weight for layer in idle], lr=args.lr, weight_decay=0.01)
    prefix, blocks, length = len(encoder.prefix), 4, 18
    positions = torch.cat([torch.arange(prefix), (torch.arange(length) + prefix).repeat(blocks)])
    cos, sin = rope_table(c, positions)
    hd = c.width // c.heads
    tokens = torch.from_numpy(encoder.prefix)
    start, step = time.time(), 0
    for batch in batches(lines_of(args.train), encoder, args.batch, blocks, length, np.random.default_rng(7), pick_questions):
        done = (time.time() - start) / (60 * args.minutes)
        if done >= 1:
            break
        with torch.no_grad():
            b, at = args.batch, encoder.image_at
            features = model.project(model.tower(normalize(batch.images)))
            text = model.embed_tokens(tokens)
            asked = model.embed_tokens(batch.blocks.flatten(1))
            after = text[at + features.shape[1] :]
            x = torch.cat([text[:at].expand(b, -1, -1), features, after.expand(b, -1, -1), asked], 1)
        loss = 0.0
        for layer in idle:
            q, k, _ = layer.qkv(layer.input_layernorm(x)).view(b, -1, 3, c.heads, hd).permute(2, 0, 3, 1, 4)
            q, k = rotate(q, cos, sin) * hd**-0.5, rotate(k, cos, sin)
            for h in range(c.heads):
                loss = loss + guide_loss(q[:, h], k[:, h], batch.look_at, batch.look_to, prefix, length)
        loss = loss / (len(idle) * c.heads)
        optimizer.zero_grad()
        loss.backward()
        for g in optimizer.param_groups:
            g["lr"] = args.lr * min(1, 1.5 * (1 - done) + 0.02)
        optimizer.step()
        step += 1
        if step % 20 == 0:
            floor = -(batch.look_to * (batch.look_to + 1e-9).log()).sum(-1).mean().item()
            print(f"{time.time() - start:.0f}s step {step} loss {loss.item():.3f} (at best {floor:.3f})", flush=True)
    save(args.out, model, None, state["seen"])


if __name__ == "__main__":
    main()
