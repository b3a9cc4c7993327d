"""Stage 1: the vision tower learns to say what each patch shows (a dense classification).

  python training/train_tower.py --scenes runs/tower.jsonl --out runs/tower.pt --minutes 12

The heads are thrown away. Detail stays local: every patch must know its own category, not the image's.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import scenes
from model import Config, Tower
from muon import Both


class Heads(nn.Module):
    def __init__(self, d: int):
        super().__init__()
        a = scenes.atlas()
        self.norm = nn.LayerNorm(d)
        sizes = {
            "category": 1 + len(a.classes) + len(a.characters),
            "center": 2,
            "size": len(scenes.SPRITE_SIZES),
            "index": scenes.MAX_TEXT,
            "color": len(scenes.COLORS),
            "row": scenes.GRID,
            "column": scenes.GRID,
        }
        self.heads = nn.ModuleDict({k: nn.Linear(d, n) for k, n in sizes.items()})

    def forward(self, x):
        x = self.norm(x)
        return {k: h(x) for k, h in self.heads.items()}


def batches(path: Path, size: int, seed: int, more_texts: int = 0):
    lines = path.read_text().splitlines()
    rng = np.random.default_rng(seed)
    grid = np.arange(scenes.PATCHES)
    while True:
        picked = [json.loads(lines[i]) for i in rng.integers(0, len(lines), size)]
        if more_texts:
            pool = [s for s in picked if s["text"] is not None]
            picked = [scenes.with_more_texts(s, [pool[i] for i in rng.integers(0, len(pool), more_texts)]) for s in picked]
        images = np.stack([scenes.render(s) for s in picked])
        labels = [scenes.patch_labels(s) for s in picked]
        out = {k: torch.from_numpy(np.stack([x[k] for x in labels])) for k in labels[0]}
        out["color"] = torch.tensor([[scenes.COLORS.index(s["background"]["color"])] * scenes.PATCHES for s in picked])
        out["row"] = torch.from_numpy(np.broadcast_to(grid // scenes.GRID, (size, scenes.PATCHES)).copy())
        out["column"] = torch.from_numpy(np.broadcast_to(grid % scenes.GRID, (size, scenes.PATCHES)).copy())
        yield normalize(images), out


def normalize(images: np.ndarray) -> torch.Tensor:
    """uint8 [b, h, w, 3] → float [b, 3, h, w] in [-1, 1], as the processor does (mean and std 0.5)."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--scenes", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--minutes", type=float, default=12)
    p.add_argument("--batch", type=int, default=48)
    p.add_argument("--muon-lr", type=float, default=0.02)
    p.add_argument("--adam-lr", type=float, default=2e-3)
    p.add_argument("--more-texts", type=int, default=0, help="texts of other scenes to add to each, where there is room")
    p.add_argument("--anchor", type=Path, help="a tower whose features to keep (but at text): a decoder was trained on them")
    p.add_argument("--init", type=Path)
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args()
    torch.manual_seed(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tower, config = Tower(Config()).to(device), Config()
    heads = Heads(config.tower_width).to(device)
    start_from = args.out if args.out.exists() else args.init
    if start_from:
        saved = torch.load(start_from)
        tower.load_state_dict(saved["tower"])
        heads.load_state_dict(saved["heads"])
    anchor = None
    if args.anchor:
        anchor = Tower(config).to(device)
        anchor.load_state_dict(torch.load(args.anchor)["tower"])
        anchor.requires_grad_(False)
    named = [("t." + n, q) for n, q in tower.named_parameters()] + [("h." + n, q) for n, q in heads.named_parameters()]
    optimizer = Both(named, args.muon_lr, args.adam_lr, lambda n, q: q.ndim == 2 and n.startswith("t.layers"))
    weight = torch.ones(heads.heads["category"].out_features, device=device)
    weight[0] = 0.3

    def loss_of(images, labels):
        x = tower(images)
        out = heads(x)
        losses = {}
        if anchor is not None:
            with torch.no_grad():
                want = anchor(images)
            keep = (labels["index"] == -100).float()
            far = (x.float() - want.float()).pow(2).mean(-1) / want.float().pow(2).mean()
            losses["anchor"] = (far * keep).sum() / keep.sum()
        for k, y in out.items():
            w = weight if k == "category" else torch.tensor([0.2, 1.0], device=device) if k == "center" else None
            losses[k] = F.cross_entropy(y.float().flatten(0, 1), labels[k].flatten(), weight=w, ignore_index=-100)
        shares = {"category": 1, "center": 0.5, "size": 0.3, "index": 0.5, "color": 0.1, "row": 0.05, "column": 0.05, "anchor": 3}
        total = sum(x * shares[k] for k, x in losses.items())
        ok = (out["category"].argmax(-1) == labels["category"]) & (labels["category"] > 0)
        return total, losses, ok.sum() / (labels["category"] > 0).sum()

    loss_of = torch.compile(loss_of)
    start, step = time.time(), 0
    for images, labels in batches(args.scenes, args.batch, args.seed, args.more_texts):
        done = (time.time() - start) / (60 * args.minutes)
        if done >= 1:
            break
        with torch.autocast(device, dtype=torch.bfloat16):
            total, losses, ok = loss_of(images.to(device), {k: v.to(device) for k, v in labels.items()})
        total.backward()
        optimizer.step(min(1, (step + 1) / 30) * min(1, (1 - done) / 0.4 + 0.02))
        optimizer.zero_grad()
        step += 1
        if step % 25 == 0:
            parts = " ".join(f"{k} {v.item():.3f}" for k, v in losses.items())
            print(f"{time.time() - start:.0f}s step {step} {step * args.batch / (time.time() - start):.0f} img/s acc {ok:.3f} {parts}", flush=True)
        if step % 500 == 0:
            torch.save({"tower": tower.state_dict(), "heads": heads.state_dict()}, args.out)
    torch.save({"tower": tower.state_dict(), "heads": heads.state_dict()}, args.out)


if __name__ == "__main__":
    main()
