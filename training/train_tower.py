"""Stage 1: the vision tower learns to say what each patch shows (a dense classification).

  python training/train_tower.py --scenes runs/tower.jsonl --out runs/tower.pt --minutes 12

The heads are thrown away. Detail stays local: every patch must know its own category, not the image's.

With `--sizes 96 120 144` pictures are enlarged to one of these sizes, drawn for each batch. `--anchor` then is what a
decoder was trained on, and a patch of an enlarged picture is held to what the anchor says of the same thing at 96 pixels:
of the patch that holds the same object's centre, or that the patch lies in. Only where the anchor is right: it reads large
characters and not small ones, which, enlarged, are as large. Heads that a tower lacks are first fitted to the anchor and
then stay, so that a character that is read now is told in the way in which the others are.

A run saves its checkpoint every few minutes; the same command goes on from it, and ends at once when it has had its minutes.
"""

import argparse
import contextlib
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
        }  # rows and columns of 96 pixels, whatever the size
        self.heads = nn.ModuleDict({k: nn.Linear(d, n) for k, n in sizes.items()})

    def forward(self, x):
        x = self.norm(x)
        return {k: h(x) for k, h in self.heads.items()}


def batches(path: Path, size: int, seed: int, more_texts: int = 0, sizes=(scenes.SIZE,)):
    """(pictures at 96 pixels, at the batch's size, labels of the patches) without end."""
    lines = path.read_text().splitlines()
    rng = np.random.default_rng(seed)
    while True:
        seen = sizes[rng.integers(len(sizes))] if len(sizes) > 1 else sizes[0]
        grid = seen // scenes.PATCH
        picked = [json.loads(lines[i]) for i in rng.integers(0, len(lines), size)]
        if more_texts:
            pool = [s for s in picked if s["text"] is not None]
            picked = [scenes.with_more_texts(s, [pool[i] for i in rng.integers(0, len(pool), more_texts)]) for s in picked]
        images = np.stack([scenes.render(s) for s in picked])
        labels = [scenes.patch_labels(s, seen) for s in picked]
        out = {k: torch.from_numpy(np.stack([x[k] for x in labels])) for k in labels[0]}
        out["color"] = torch.tensor([[scenes.COLORS.index(s["background"]["color"])] * grid**2 for s in picked])
        place = (2 * np.arange(grid) + 1) * scenes.SIZE // (2 * seen)
        out["row"] = torch.from_numpy(np.broadcast_to(place.repeat(grid), (size, grid**2)).copy())
        out["column"] = torch.from_numpy(np.broadcast_to(np.tile(place, grid), (size, grid**2)).copy())
        out["same"] = torch.from_numpy(np.stack([same_at_96(s, x, place) for s, x in zip(picked, labels)]))
        yield normalize(images), normalize(scenes.enlarge(images, seen)), out


def same_at_96(scene: dict, labels: dict, place: np.ndarray) -> np.ndarray:
    """For each patch of a size, which of the 144 at 96 pixels shows the same: the one with the same centre, or the one
    that it lies in if both show the same category and neither holds a centre; else -1."""
    small = scenes.patch_labels(scene)
    inside = (place[:, None] * scenes.GRID + place).ravel()
    alike = (small["category"][inside] == labels["category"]) & (small["center"][inside] == 0) & (labels["center"] == 0)
    out = np.where(alike, inside, -1)
    centers = {t: p for p, t in enumerate(small["thing"]) if t >= 0}
    for p in np.flatnonzero(labels["thing"] >= 0):
        out[p] = centers.get(labels["thing"][p], -1)
    return out


def normalize(images: np.ndarray) -> torch.Tensor:
    """uint8 [b, h, w, 3] → float [b, 3, h, w] in [-1, 1], as the processor does (mean and std 0.5)."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def half(device: str):
    """bfloat16 where the processor computes with it; elsewhere it would be slower than full precision."""
    fast = device == "cuda" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.autocast(device, dtype=torch.bfloat16) if fast else contextlib.nullcontext()


def parts_of(path: Path) -> dict:
    """The tower, its heads and what else is in a checkpoint of a tower; the tower in one of train.py."""
    saved = torch.load(path)
    if "tower" in saved:
        return saved
    return {"tower": {k.removeprefix("tower."): v for k, v in saved["model"].items() if k.startswith("tower.")}}


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--scenes", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--minutes", type=float, default=12)
    p.add_argument("--batch", type=int, default=48)
    p.add_argument("--muon-lr", type=float, default=0.02)
    p.add_argument("--adam-lr", type=float, default=2e-3)
    p.add_argument("--more-texts", type=int, default=0, help="texts of other scenes to add to each, where there is room")
    p.add_argument("--anchor", type=Path, help="a tower whose features to keep where they are right: a decoder was trained on them")
    p.add_argument("--sizes", type=int, nargs="+", default=[scenes.SIZE], help="pixels, multiples of 8 from 96 on")
    p.add_argument("--probe-images", type=int, default=640, help="to fit heads to the anchor with, where there are none")
    p.add_argument("--eager", action="store_true", help="compile nothing: for short runs, and where compiling takes long")
    p.add_argument("--hold", type=float, default=3, help="the anchor's weight")
    p.add_argument("--init", type=Path, help="a tower, or a model of train.py or of export.py --restore")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args()
    torch.manual_seed(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tower, config = Tower(Config()).to(device), Config()
    heads = Heads(config.tower_width).to(device)
    start_from = args.out if args.out.exists() else args.init
    saved = parts_of(start_from) if start_from else {}
    if start_from:
        tower.load_state_dict(saved["tower"])
    anchor = None
    if args.anchor:
        anchor = Tower(config).to(device)
        anchor.load_state_dict(parts_of(args.anchor)["tower"])
        anchor.requires_grad_(False)
    weight = torch.ones(heads.heads["category"].out_features, device=device)
    weight[0] = 0.3
    shares = {"category": 1, "center": 0.5, "size": 0.3, "index": 0.5, "color": 0.1, "row": 0.05, "column": 0.05}

    def said(out, labels):
        """The losses of what the heads say."""
        weights = {"category": weight, "center": torch.tensor([0.2, 1.0], device=device)}
        return {k: F.cross_entropy(y.float().flatten(0, 1), labels[k].flatten(), weight=weights.get(k), ignore_index=-100) for k, y in out.items()}

    def loss_of(small, images, labels):
        x = tower(images)
        out = heads(x)
        losses = said(out, labels)
        total = sum(x * shares[k] for k, x in losses.items())
        if anchor is not None:
            same = labels["same"].clamp(min=0)
            with torch.no_grad():
                want = anchor(small)
                want = want.gather(1, same[..., None].expand(-1, -1, want.shape[-1]))
                keep = ((heads(want)["category"].argmax(-1) == labels["category"]) & (labels["same"] >= 0)).float()
            far = (x.float() - want.float()).pow(2).mean(-1) / want.float().pow(2).mean()
            losses["anchor"] = (far * keep).sum() / keep.sum()
            total = total + args.hold * losses["anchor"]
        ok = (out["category"].argmax(-1) == labels["category"]) & (labels["category"] > 0)
        return total, losses, ok.sum() / (labels["category"] > 0).sum()

    if "heads" in saved:
        heads.load_state_dict(saved["heads"])
    elif anchor is not None:
        probe(heads, anchor, said, shares, args, device)
    if anchor is not None:
        heads.requires_grad_(False)
    named = [("t." + n, q) for n, q in tower.named_parameters()] + [("h." + n, q) for n, q in heads.named_parameters()]
    named = [(n, q) for n, q in named if q.requires_grad]
    optimizer = Both(named, args.muon_lr, args.adam_lr, lambda n, q: q.ndim == 2 and n.startswith("t.layers"))
    if "optimizer" in saved:
        for part, state in zip(optimizer.parts, saved["optimizer"]):
            part.load_state_dict(state)

    def save(step, before):
        state = {"tower": tower.state_dict(), "heads": heads.state_dict(), "step": step, "seconds": before}
        torch.save({**state, "optimizer": [part.state_dict() for part in optimizer.parts]}, args.out.with_suffix(".tmp"))
        args.out.with_suffix(".tmp").replace(args.out)

    if not args.eager:
        loss_of = torch.compile(loss_of)
    # what a run that was stopped had had already
    resumed = args.out.exists()
    step, now = (saved.get("step", 0), saved.get("seconds", 0.0)) if resumed else (0, 0.0)
    last, next_save, tally = time.time(), now + 180, {}
    for small, images, labels in batches(args.scenes, args.batch, args.seed + step, args.more_texts, args.sizes):
        done = now / (60 * args.minutes)
        if done >= 1:
            break
        with half(device):
            total, losses, ok = loss_of(small.to(device), images.to(device), {k: v.to(device) for k, v in labels.items()})
        total.backward()
        optimizer.step(min(1, (step + 1) / 30) * min(1, (1 - done) / 0.4 + 0.02))
        optimizer.zero_grad()
        step += 1
        # a step that takes longer was suspended, which is not counted
        now, last = now + min(60.0, time.time() - last), time.time()
        tally.setdefault(images.shape[-1], []).append((ok.item(), losses["anchor"].item() if "anchor" in losses else 0.0))
        if step % 25 == 0:
            parts = " ".join(f"{k} {v.item():.3f}" for k, v in losses.items())
            by = " ".join(f"{s}px acc {np.mean([a for a, _ in t]):.3f} anchor {np.mean([b for _, b in t]):.3f}" for s, t in sorted(tally.items()))
            print(f"{now:.0f}s step {step} {step * args.batch / max(now, 1):.1f} img/s {parts} | {by}", flush=True)
            tally = {}
        if now > next_save:
            next_save = now + 180
            save(step, now)
    save(step, now)


def probe(heads, anchor, said, shares, args, device):
    """Fits heads to the anchor's features of some pictures at 96 pixels, which are computed once."""
    features, labels = [], []
    stream = batches(args.scenes, args.batch, args.seed + 1, args.more_texts)
    while len(features) * args.batch < args.probe_images:
        small, _, these = next(stream)
        with torch.no_grad(), half(device):
            features.append(anchor(small.to(device)).float().flatten(0, 1))
        labels.append({k: v.to(device).flatten() for k, v in these.items()})
    features = torch.cat(features)
    labels = {k: torch.cat([each[k] for each in labels]) for k in labels[0]}
    optimizer = torch.optim.Adam(heads.parameters(), 3e-3)
    steps = 600
    for step in range(steps):
        picked = torch.randint(len(features), (4096,), device=device)
        losses = said(heads(features[picked][None]), {k: v[picked] for k, v in labels.items()})
        sum(x * shares[k] for k, x in losses.items()).backward()
        optimizer.param_groups[0]["lr"] = 3e-3 * min(1, (1 - step / steps) / 0.5)
        optimizer.step()
        optimizer.zero_grad()
    ok = (heads(features)["category"].argmax(-1) == labels["category"])[labels["category"] > 0].float().mean()
    print(f"heads fitted to {len(features)} patches: {ok:.3f} right", *(f"{k} {v.item():.3f}" for k, v in losses.items()), flush=True)


if __name__ == "__main__":
    main()
