"""Stage 2: projector and decoder (and, thawed, the tower) learn to answer questions.

  python training/train.py --tower runs/tower.pt --layers 4 --minutes 15 --out runs/a.pt
  python training/train.py --init runs/a.pt --grow 10 --minutes 30 --thaw --out runs/b.pt

A checkpoint holds everything to go on with: rerun the same command with --init set to its --out.
The loss is on the answers only, plus, weighted by --guide, the guided attention (see data.py).
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import scenes
from data import AIMS, IGNORE, Encoder, batches, pick_caption, pick_questions
from model import Config, DecoderLayer, Llava, decode, guide_loss, layer_math, layout
from muon import Both
from train_tower import half, normalize

MODEL = Path(__file__).resolve().parent.parent / "models" / "scenes-llava"


def lines_of(path: Path, start: int = 0):
    n = 0
    while True:
        with open(path) as file:
            for line in file:
                n += 1
                if n > start:
                    yield line


def grow(model: Llava, layers: int) -> Llava:
    """A deeper model that computes the same: new layers add nothing until trained.

    Half of the new layers come first, so that what is learned stays away from the first layers,
    the others between and after the old ones.
    """
    old = model.config
    front = (layers - old.layers) // 2
    rest = layers - old.layers - front
    config = Config(**{**old.dict(), "layers": layers})
    stack = [DecoderLayer(config) for _ in range(front)]
    for i, layer in enumerate(model.layers):
        stack.append(layer)
        if i == old.guided_layer:
            config.guided_layer = len(stack) - 1
        if i == old.reading_layer:
            config.reading_layer = len(stack) - 1
        if i >= old.guided_layer:
            share = rest // (old.layers - i)
            stack += [DecoderLayer(config) for _ in range(share)]
            rest -= share
    bigger = Llava(config)
    fresh = bigger.layers
    bigger.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("layers.")}, strict=False)
    for i, layer in enumerate(stack):
        if any(layer is m for m in model.layers):
            fresh[i].load_state_dict(layer.state_dict())
        else:
            torch.nn.init.zeros_(fresh[i].o_proj.weight)
            torch.nn.init.zeros_(fresh[i].down_proj.weight)
    return bigger


@torch.no_grad()
def calibrate(model: Llava, encoder: Encoder, lines, images: int = 1500):
    """Starts words and patches off in one language: a class's word is embedded where its patches lie.

    The embedding of each class word and character becomes the mean of the projected patches that show
    it, less the mean of all; the guided head's q and k start as the same projection, onto the principal
    directions of these embeddings in the rotary dimensions that turn slowest. Training then finds the
    matching of word and patch instead of a plateau.
    """
    a, c = scenes.atlas(), model.config
    records = [json.loads(next(lines))["scenes"][0] for _ in range(images)]
    labels = [scenes.patch_labels(s) for s in records]
    category = torch.from_numpy(np.stack([x["category"] for x in labels])).flatten()
    center = torch.from_numpy(np.stack([x["center"] for x in labels])).flatten().bool()
    features = torch.cat([model.tower(normalize(np.stack([scenes.render(s) for s in records[i : i + 50]]))) for i in range(0, images, 50)]).flatten(0, 1)
    # the projector's input is centred and scaled by its first bias and weight
    mean, std = features.mean(0), features.std(0) + 1e-3
    model.linear_1.weight.copy_(torch.randn_like(model.linear_1.weight) / math.sqrt(c.tower_width) / std)
    model.linear_1.bias.copy_(-model.linear_1.weight @ mean)
    model.linear_2.weight.normal_(0, 1.5 / math.sqrt(c.width))
    model.linear_2.bias.zero_()
    p = model.project(features)
    model.linear_2.bias.copy_(-p.mean(0))
    p = p - p.mean(0)
    scale = p.norm(dim=-1).mean()
    model.linear_2.weight.div_(scale)
    model.linear_2.bias.div_(scale)
    p = p / scale
    words = [(1 + i, encoder.id("Ġ" + w)) for i, w in enumerate(a.classes)]
    words += [(1 + len(a.classes) + i, encoder.id(w)) for i, w in enumerate(a.characters)]
    means = torch.stack([p[center & (category == k)].mean(0) for k, _ in words])
    means = means - means.mean(0)
    means = means / means.norm(dim=-1, keepdim=True)
    for (_, token), m in zip(words, means):
        model.embed_tokens.weight[token] = m
    model.lm_head.weight.copy_(0.3 * model.embed_tokens.weight)
    hd = c.width // c.heads
    half = hd // 2
    slow = [i for i in range(half) if c.rope_theta ** (-i / half) < 0.003]
    dims = [d for i in slow for d in (i, i + half)]
    _, _, directions = torch.linalg.svd(means[: len(a.classes)], full_matrices=False)
    layer = model.layers[c.guided_layer]
    for part in (0, 1):  # q and k
        rows = layer.qkv.weight[part * c.width : part * c.width + hd]
        rows.zero_()
        rows[dims] = 0.6 * directions[: len(dims)]
    print(f"calibrated: {len(dims)} dimensions match by content", flush=True)


class Runner:
    """The forward pass on a batch, compiled once a shape."""

    def __init__(self, model: Llava, encoder: Encoder, device: str, thaw: bool, compiled: bool = True):
        self.model, self.encoder, self.device, self.thaw = model, encoder, device, thaw
        if compiled:
            torch._dynamo.config.cache_size_limit = 64
            DecoderLayer.math = staticmethod(torch.compile(layer_math, dynamic=False))
        self.see = torch.compile(model.tower) if compiled else model.tower
        c = model.config
        # where each aim is taught: layers, and the head
        early = range(c.guided_layer + 1)
        self.heads = {
            "guide": ([c.guided_layer], 0),
            "read": ([c.reading_layer], 0),
            "ask": ([0], 2),
            "look": (early[:1], 1),
            "look_about": (early[1:], 1),
            "tag": ([max(0, c.guided_layer - 3)], 3),
            "track": ([max(0, c.guided_layer - 2)], 2),
        }

    def run(self, features, kept, ids):
        """The decoder's output [b, tokens, width], and each layer's q and k."""
        m = self.model
        b, blocks, length = ids.shape
        prefix = self.encoder.prefix(features.shape[0] // b, features.shape[1])
        text = m.embed_tokens(torch.from_numpy(prefix.ids).to(self.device)).expand(b, -1, -1)
        patches = torch.from_numpy(prefix.patches).to(self.device)
        x = text.index_copy(1, patches, m.project(features).float().reshape(b, len(patches), -1))
        x = x.gather(1, kept[..., None].expand(-1, -1, x.shape[-1]))
        x = torch.cat([x, m.embed_tokens(ids.flatten(1))], 1)
        return decode(m, x, kept.shape[1], blocks, layout(m.config, kept, len(prefix), blocks, length))

    def __call__(self, batch):
        """Logits at the labelled positions, their labels and places, and the attention losses by aim."""
        length, size = batch.blocks.shape[2], batch.kept.shape[1]
        images = normalize(batch.images).to(self.device)
        with half(self.device):
            with torch.set_grad_enabled(self.thaw and torch.is_grad_enabled()):
                features = self.see(images)
            x, attended = self.run(features, batch.kept.to(self.device), batch.blocks.to(self.device))
            x = x[:, size:].reshape(-1, x.shape[-1])
            labels = batch.labels.to(self.device).flatten()
            where = (labels != IGNORE).nonzero()[:, 0]
            logits = self.model.lm_head(self.model.norm(x[where])).float()
        losses = {}
        for aim, (layers, head) in self.heads.items():
            at, to = (t.to(self.device) for t in batch.aims[aim])
            if len(at) and len(layers):
                each = [guide_loss(attended[i][0][:, head], attended[i][1][:, head], at, to, size, length) for i in layers]
                losses[aim] = sum(each) / len(each)
        return logits, labels[where], where, losses


@torch.no_grad()
def accuracy(runner: Runner, lines, encoder: Encoder, images: int, size: int = 50, questions: int = 1, seen: int = scenes.SIZE):
    """Exact-match accuracy by family, of pictures seen at `seen` pixels with so many questions each, and how many
    questions. All answer tokens right under teacher forcing is greedy exact match."""
    first = lambda rng, asked, n: asked[:n]  # noqa: E731
    right, total = {}, {}
    stream = batches(iter(lines), encoder, size, questions, 20, np.random.default_rng(0), first if questions == 1 else pick_questions, sizes=(seen,))
    for _ in range(images // size):
        batch = next(stream)
        logits, labels, where, _ = runner(batch)
        wrong = set((where[logits.argmax(-1) != labels] // 20).tolist())
        for i, family in enumerate(f for asked in batch.families for f in asked):
            total[family] = total.get(family, 0) + 1
            right[family] = right.get(family, 0) + (i not in wrong)
    return {f: right[f] / total[f] for f in total}, total


def validation_lines(path: Path, families=None, limit=10**9):
    """Rows of single-image questions, wrapped as conversations of one question; captions left out."""
    rows = []
    for line in open(path):
        if len(rows) >= limit:
            break
        r = json.loads(line)
        if len(r["scenes"]) > 1 or r["family"] == "caption" or (families and r["family"] not in families):
            continue
        rows.append(json.dumps({"scenes": r["scenes"], "questions": [r]}))
    return rows


def save(path: Path, model: Llava, optimizer, seen: int):
    state = {"config": model.config.dict(), "model": model.state_dict(), "seen": seen}
    if optimizer is not None:
        state["optimizer"] = [p.state_dict() for p in optimizer.parts]
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def load(path: Path):
    state = torch.load(path)
    model = Llava(Config(**state["config"]))
    model.load_state_dict(state["model"])
    return model, state


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--train", type=Path, default=Path("runs/train.jsonl"))
    p.add_argument("--validation", type=Path, default=Path("runs/validation.jsonl"))
    p.add_argument("--tower", type=Path, help="the tower of train_tower.py; with --init, it takes the place of the other")
    p.add_argument("--validation-limit", type=int, default=10**9, help="questions that it ends with")
    p.add_argument("--init", type=Path)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("--guided-layer", type=int, default=1)
    p.add_argument("--grow", type=int)
    p.add_argument("--thaw", action="store_true", help="train the tower as well")
    p.add_argument("--minutes", type=float, default=15)
    p.add_argument("--batch", type=int, default=24)
    p.add_argument("--questions", type=int, default=10)
    p.add_argument("--captions-every", type=int, default=0, help="each so many batches one of captions")
    p.add_argument("--sequences", type=Path, nargs="*", default=[], help="train-N.jsonl, sets of N images")
    p.add_argument("--sequences-every", type=int, default=4)
    p.add_argument("--two-turns", type=float, default=0.0)
    p.add_argument("--thin", type=float, default=0.4, help="the share of batches that lack part of the background (see data.py)")
    p.add_argument("--sizes", type=int, nargs="+", default=[scenes.SIZE], help="pixels that single pictures are seen at, one of them a batch")
    p.add_argument("--eager", action="store_true", help="compile nothing: for short runs, and where compiling takes long")
    p.add_argument("--guide", type=float, default=1.0)
    p.add_argument("--look", type=float, default=0.3)
    p.add_argument("--muon-lr", type=float, default=0.01)
    p.add_argument("--adam-lr", type=float, default=1e-3)
    p.add_argument("--decay", type=float, default=0.3, help="Muon's; it bounds a matrix's norm by 1/decay")
    p.add_argument("--warmup", type=int, default=50)
    p.add_argument("--cooldown", type=float, default=0.4, help="the share of the time over which the rate falls")
    p.add_argument("--resume-optimizer", action="store_true")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder = Encoder(MODEL)
    seen, state = 0, {}
    if args.init:
        model, state = load(args.init)
        seen = state["seen"]
        if args.tower:
            model.tower.load_state_dict(torch.load(args.tower)["tower"])
    else:
        model = Llava(Config(vocab=encoder.vocab, layers=args.layers, guided_layer=args.guided_layer, reading_layer=args.guided_layer + 1))
        model.tower.load_state_dict(torch.load(args.tower)["tower"])
        calibrate(model, encoder, lines_of(args.train))
    if args.grow:
        model = grow(model, args.grow)
    model.to(device)
    for q in model.tower.parameters():
        q.requires_grad_(args.thaw)
    is_matrix = lambda n, q: q.ndim == 2 and ".layers." in "." + n or n.startswith("linear_") and q.ndim == 2  # noqa: E731
    optimizer = Both(model.named_parameters(), args.muon_lr, args.adam_lr, is_matrix, args.decay)
    if args.resume_optimizer and "optimizer" in state:
        for part, saved in zip(optimizer.parts, state["optimizer"]):
            part.load_state_dict(saved)
    runner = Runner(model, encoder, device, args.thaw, compiled=not args.eager)
    lines = lines_of(args.train, seen)
    short = batches(lines, encoder, args.batch, args.questions, 18, rng, pick_questions, thin=(args.thin, 80), sizes=args.sizes)
    captions = batches(lines, encoder, args.batch, 1, 80, rng, pick_caption, sizes=args.sizes)
    turns = batches(lines, encoder, args.batch, 5, 36, rng, pick_questions, two_turns=1.0, sizes=args.sizes)
    sequences = [
        batches(lines_of(f), encoder, max(1, round(2 * args.batch / n)), 4, 18, rng, pick_questions, count=n, thin=(0.8, 60 * n))
        for f in args.sequences
        for n in [int(f.stem.split("-")[-1])]
    ]
    check = validation_lines(args.validation, limit=args.validation_limit)
    step, log, tally = 0, [], {}
    now, last, next_check = 0.0, time.time(), 180.0
    while True:
        # a step that takes longer was suspended, which is not counted
        now, last = now + min(15.0, time.time() - last), time.time()
        done = now / (60 * args.minutes)
        if done >= 1:
            break
        if args.captions_every and step % args.captions_every == args.captions_every - 1:
            batch = next(captions)
        elif sequences and step % args.sequences_every == 0:
            batch = next(sequences[step // args.sequences_every % len(sequences)])
        elif args.two_turns and rng.random() < args.two_turns:
            batch = next(turns)
        else:
            batch = next(short)
        logits, labels, where, aims = runner(batch)
        loss = F.cross_entropy(logits, labels)
        total = loss + sum((args.look if aim.startswith("look") else args.guide) * l for aim, l in aims.items())
        total.backward()
        optimizer.step(min(1, (step + 1) / args.warmup) * min(1, (1 - done) / args.cooldown + 0.01))
        optimizer.zero_grad()
        step += 1
        seen += args.batch
        length = batch.blocks.shape[2]
        wrong = set((where[logits.argmax(-1) != labels] // length).tolist())
        if length == 18:
            asked = [f for fs in batch.families for f in fs]
            for i, f in enumerate(asked):
                t = tally.setdefault(f, [0, 0])
                t[0] += i not in wrong
                t[1] += 1
        log.append({"loss": loss.item(), **{aim: l.item() for aim, l in aims.items()}})
        if step < 5 or step % 25 == 0:
            means = {k: np.mean([l[k] for l in log[-25:] if k in l]) for k in ("loss", *AIMS) if any(k in l for l in log[-25:])}
            losses = " ".join(f"{k} {v:.3f}" for k, v in means.items())
            parts = " ".join(f"{f} {100 * a / n:.0f}" for f, (a, n) in sorted(tally.items()))
            print(f"{now:.0f}s {step} seen {seen} {step * args.batch / max(now, 1):.1f} img/s {losses} | {parts}", flush=True)
            tally = {}
        if now > next_check:
            next_check = now + 240
            save(args.out, model, optimizer, seen)
    save(args.out, model, optimizer, seen)
    scores, _ = accuracy(runner, check, encoder, len(check) // 50 * 50)
    print("validation", " ".join(f"{f} {100 * a:.1f}" for f, a in scores.items()), flush=True)


if __name__ == "__main__":
    main()
