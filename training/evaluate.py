"""Accuracy by family, the FastV table and the oracle check, in PyTorch.

  python training/evaluate.py accuracy runs/final.pt --data runs/test.jsonl
  python training/evaluate.py fastv    runs/final.pt --data runs/test.jsonl
  python training/evaluate.py oracle   runs/final.pt --data runs/test.jsonl
  python training/evaluate.py sizes    runs/final.pt --data runs/held/validation.jsonl --sizes 96 120 144

The data is written by `fastv scenes DIR --split test --no-images`; that of `sizes` in the layout of conversations, ten
questions a picture side by side. Exact match under teacher forcing is
exact match of greedy decoding: the first wrong token is where greedy decoding leaves the answer.

FastV here is a mask: from layer K on no token sees the dropped image tokens. The rest, positions
included, stays as it is, so the numbers are those of a model that drops them; speed is not measured.
Ranking is by the attention that the last prompt token pays at layer K-1, mean over heads; ties go to
the lower index and round-half-even(n * (1 - R)) tokens stay.
"""

import argparse
import json
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

import scenes
from data import Encoder
from model import rope_table, rotate
from train import MODEL, Runner, accuracy, load
from train_tower import normalize

IGNORE = -100


class Batch:
    """Right-padded prompts with their answers: `ids`, `image` marks image tokens, `last` the prompt's end."""

    def __init__(self, rows, encoder: Encoder, answers=True):
        image = encoder.id("<image>")
        tokens, labels, self.last = [], [], []
        for r in rows:
            prompt = encoder.prefix(len(r["scenes"])).ids.tolist() + encoder.encode(r["question"] + " ASSISTANT:")
            answer = encoder.encode(" " + r["answer"]) + [encoder.eos] if answers else []
            tokens.append(prompt + answer)
            labels.append([IGNORE] * (len(prompt) - 1) + answer + [IGNORE])
            self.last.append(len(prompt) - 1)
        n = max(map(len, tokens))
        pad = lambda xs, v: torch.tensor([x + [v] * (n - len(x)) for x in xs])  # noqa: E731
        self.ids = pad(tokens, 0)
        self.labels = pad([x[: len(t)] for x, t in zip(labels, tokens)], IGNORE)
        self.image = self.ids == image
        self.last = torch.tensor(self.last)
        self.pixels = np.stack([scenes.render(s) for r in rows for s in r["scenes"]])


def embed(model, batch):
    x = model.embed_tokens(batch.ids)
    features = model.project(model.tower(normalize(batch.pixels)))
    x[batch.image] = features.reshape(-1, x.shape[-1]).to(x.dtype)
    return x


@torch.no_grad()
def forward(model, batch, drop=None, K=None):
    """Logits [b, n, vocab] and the head-mean attention of the last prompt token by layer [layers, b, n].

    `drop(attention [b, n]) -> bool [b, n]` is asked at layer K (with layer K-1's attention; None at
    K = 0) which tokens later layers must not see.
    """
    x = embed(model, batch)
    b, n, d = x.shape
    heads, hd = model.config.heads, d // model.config.heads
    cos, sin = rope_table(model.config, torch.arange(n))
    causal = torch.full((n, n), float("-inf")).triu(1)
    mask = causal[None, None]
    rows = torch.arange(b)
    kept_attention = []
    for i, layer in enumerate(model.layers):
        if drop is not None and i == K:
            lost = drop(kept_attention[-1] if kept_attention else None)
            mask = causal[None, None].masked_fill(lost[:, None, None, :], float("-inf"))
            # a dropped token's own row is of no use to anyone; let it see itself, so that it stays finite
            eye = torch.eye(n, dtype=torch.bool)
            mask = mask.masked_fill((lost[:, None, None, :] & eye), 0.0)
        q, k, v = layer.qkv(layer.input_layernorm(x)).view(b, n, 3, heads, hd).permute(2, 0, 3, 1, 4)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        a = ((q @ k.transpose(-1, -2)) / math.sqrt(hd) + mask).softmax(-1)
        kept_attention.append(a[rows, :, batch.last].mean(1))
        x = layer.finish(x, (a @ v).transpose(1, 2).reshape(b, n, d))
    return model.lm_head(model.norm(x)), torch.stack(kept_attention)


def keep_count(n: int, ratio: float) -> int:
    return round(n * (1 - ratio))  # Python rounds half to even


def lowest(scores, image, ratio):
    """True at the image tokens that rank below the kept ones."""
    lost = torch.zeros_like(image)
    for b in range(len(image)):
        at = image[b].nonzero()[:, 0]
        order = torch.argsort(scores[b, at], descending=True, stable=True)
        lost[b, at[order[keep_count(len(at), ratio) :]]] = True
    return lost


def correct(logits, batch):
    """Exact match a row."""
    wrong = (logits.argmax(-1) != batch.labels) & (batch.labels != IGNORE)
    return ~wrong.any(1)


def read(path: Path, families=None, limit=None):
    by = defaultdict(list)
    for line in open(path):
        r = json.loads(line)
        if r["family"] == "caption" or (families and r["family"] not in families):
            continue
        if limit is None or len(by[r["family"]]) < limit:
            by[r["family"]].append(r)
    return by


def groups(rows, size):
    """Batches of rows with the same number of images."""
    by = defaultdict(list)
    for r in rows:
        by[len(r["scenes"])].append(r)
    for n, rs in sorted(by.items()):
        step = max(1, size // n)
        for i in range(0, len(rs), step):
            yield rs[i : i + step]


def score(model, encoder, rows, make_drop=None, K=None, size=100):
    right = []
    for part in groups(rows, size):
        batch = Batch(part, encoder)
        drop = make_drop(batch, part) if make_drop else None
        right += correct(forward(model, batch, drop, K)[0], batch).tolist()
    return float(np.mean(right))


def attention_drop(ratio):
    return lambda batch, rows: lambda attention: lowest(attention, batch.image, ratio)


def random_drop(ratio, seed):
    generator = torch.Generator().manual_seed(seed)
    return lambda batch, rows: lambda _: lowest(torch.rand(batch.ids.shape, generator=generator), batch.image, ratio)


def evidence_patches(row):
    """Image token numbers (0-based among the row's image tokens) under what the question is about."""
    out = set()
    for m in row["mentions"]:
        for e in m["evidence"]:
            b, p = e["box"], scenes.PATCH
            for y in range(max(0, b["y"]) // p, min(scenes.SIZE - 1, b["y"] + b["height"] - 1) // p + 1):
                for x in range(max(0, b["x"]) // p, min(scenes.SIZE - 1, b["x"] + b["width"] - 1) // p + 1):
                    out.add(e["image"] * scenes.PATCHES + y * scenes.GRID + x)
    return sorted(out)


def oracle_drop(batch, rows, others=None):
    """Drops the asked-about tokens, or (with a generator) as many of the others."""
    lost = torch.zeros_like(batch.image)
    for b, row in enumerate(rows):
        at = batch.image[b].nonzero()[:, 0]
        about = evidence_patches(row)
        if others is not None:
            rest = torch.tensor(sorted(set(range(len(at))) - set(about)))
            about = rest[torch.randperm(len(rest), generator=others)[: len(about)]]
        lost[b, at[about]] = True
    return lambda _: lost


@torch.no_grad()
def captions(model, encoder, path, limit, tokens=90):
    """Greedy captions: (reference, candidate) pairs."""
    rows = [r for r in map(json.loads, open(path)) if r["family"] == "caption"][:limit]
    out = []
    for i in range(0, len(rows), 50):
        part = rows[i : i + 50]
        batch = Batch(part, encoder, answers=False)  # equal prompts, so no padding
        done = torch.zeros(len(part), dtype=torch.bool)
        start = batch.ids.shape[1]
        for _ in range(tokens):
            logits, _ = forward(model, batch)
            best = logits[:, -1].argmax(-1).masked_fill(done, 0)
            done |= best == encoder.eos
            batch.ids = torch.cat([batch.ids, best[:, None]], 1)
            batch.image = torch.cat([batch.image, torch.zeros(len(part), 1, dtype=torch.bool)], 1)
            if done.all():
                break
        for r, ids in zip(part, batch.ids[:, start:].tolist()):
            ids = ids[: ids.index(encoder.eos)] if encoder.eos in ids else ids
            out.append((r["answer"], encoder.tokenizer.decode(ids).strip()))
    return out


def cider(pairs):
    """CIDEr of captions with one reference each, corpus mean times 10 (Vedantam et al. 2015; here as plain
    CIDEr: tf-idf cosine over 1- to 4-grams, document frequencies from these references)."""
    import re
    from collections import Counter

    words = lambda s: re.findall(r"[a-z0-9]+", s.lower())  # noqa: E731
    grams = lambda w, n: Counter(tuple(w[i : i + n]) for i in range(len(w) - n + 1))  # noqa: E731
    total = 0.0
    for n in range(1, 5):
        refs = [grams(words(r), n) for r, _ in pairs]
        hyps = [grams(words(h), n) for _, h in pairs]
        df = Counter(g for r in refs for g in r)
        idf = lambda g: math.log(len(pairs) / max(1, df[g]))  # noqa: E731
        for r, h in zip(refs, hyps):
            vr, vh = ({g: c * idf(g) for g, c in v.items()} for v in (r, h))
            norm = math.sqrt(sum(x * x for x in vr.values()) * sum(x * x for x in vh.values()))
            total += sum(vr.get(g, 0) * x for g, x in vh.items()) / norm if norm else 0.0
    return 10 * total / 4 / len(pairs)


def by_size(model, encoder, args):
    """Accuracy by family, a column a size; `--limit` pictures."""
    if args.tower:
        model.tower.load_state_dict(torch.load(args.tower)["tower"])
    runner = Runner(model, encoder, "cpu", thaw=False, compiled=False)
    lines = open(args.data).read().splitlines()[: args.limit]
    columns = []
    for size in args.sizes:
        scores, total = accuracy(runner, lines, encoder, len(lines) // 25 * 25, 25, 10, size)
        columns.append(scores)
        print(f"{size} px: mean of families {100 * np.mean(list(scores.values())):.1f}", flush=True)
    for f in sorted(total):
        print(f"{f:16}", *(f"{100 * c[f]:5.1f}" for c in columns), f" n={total[f]}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["accuracy", "fastv", "oracle", "attention", "sizes"])
    p.add_argument("checkpoint", type=Path)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--limit", type=int, help="items a family")
    p.add_argument("--families", nargs="*")
    p.add_argument("--sizes", type=int, nargs="+", default=[scenes.SIZE], help="sizes: pixels that pictures are seen at")
    p.add_argument("--tower", type=Path, help="sizes: a checkpoint of train_tower.py, in the place of the model's tower")
    p.add_argument("--k", type=int, nargs="*", default=[1, 2, 3, 5])
    p.add_argument("--r", type=float, nargs="*", default=[0.25, 0.5, 0.75, 0.9])
    p.add_argument("--by-family", action="store_true", help="fastv: a row a family: unpruned, then every K and R")
    p.add_argument("--bf16", action="store_true", help="faster on CPUs that have it; for looks along the way")
    p.add_argument("--seeds", type=int, default=3)
    args = p.parse_args()
    encoder = Encoder(MODEL)
    model, _ = load(args.checkpoint)
    model.eval()
    if args.bf16:
        torch.autocast("cpu", dtype=torch.bfloat16).__enter__()
    if args.what == "sizes":
        by_size(model, encoder, args)
        return
    by = read(args.data, args.families, args.limit)
    if args.what == "accuracy":
        for f, rows in by.items():
            print(f"{f:16} {100 * score(model, encoder, rows):5.1f}  n={len(rows)}", flush=True)
        if not args.families or "caption" in args.families:
            pairs = captions(model, encoder, args.data, args.limit or 200)
            exact = np.mean([a == b for a, b in pairs])
            print(f"caption          CIDEr {cider(pairs):.2f} of 10, exact {100 * exact:.1f}  n={len(pairs)}")
            print("  e.g.", *(f"\n    {a}\n -> {b}" for a, b in pairs[:3]))
    elif args.what == "fastv":
        single = {f: rows for f, rows in by.items() if len(rows[0]["scenes"]) == 1}
        if args.by_family:
            for f, rows in single.items():
                pruned = [100 * score(model, encoder, rows, attention_drop(R), K) for K in args.k for R in args.r]
                print(f"{f:16} {100 * score(model, encoder, rows):5.1f}", *(f"{p:5.1f}" for p in pruned), f" n={len(rows)}", flush=True)
            return
        rows = [r for rows in single.values() for r in rows]
        print(f"n={len(rows)} questions; unpruned {100 * score(model, encoder, rows):.1f}")
        for K in args.k:
            for R in args.r:
                a = score(model, encoder, rows, attention_drop(R), K)
                rs = [score(model, encoder, rows, random_drop(R, s), K) for s in range(args.seeds)]
                print(f"K={K} R={R:.2f} attention {100 * a:5.1f}  random {100 * np.mean(rs):5.1f} ± {100 * np.std(rs):.1f}", flush=True)
    elif args.what == "oracle":
        for f in args.families or ["category", "position", "text", "text-small", "existence", "count-class"]:
            rows = [r for r in by[f] if evidence_patches(r)]
            base = score(model, encoder, rows)
            for K in args.k:
                own = score(model, encoder, rows, lambda b, r: oracle_drop(b, r), K)
                g = [torch.Generator().manual_seed(s) for s in range(args.seeds)]
                rest = [score(model, encoder, rows, lambda b, r, s=s: oracle_drop(b, r, s), K) for s in g]
                print(f"{f:12} K={K} all {100 * base:5.1f}  without what is asked about {100 * own:5.1f}  without as many others {100 * np.mean(rest):5.1f}", flush=True)
    else:
        rows = [r for rs in by.values() for r in rs[:50] if len(r["scenes"]) == 1]
        share = defaultdict(list)
        for part in groups(rows, 50):
            batch = Batch(part, encoder)
            _, attention = forward(model, batch)
            for b, row in enumerate(part):
                at = batch.image[b].nonzero()[:, 0]
                about = evidence_patches(row)
                for i in range(len(attention)):
                    a = attention[i, b]
                    share[i].append((a[at].sum(), a[0], a[at[about]].sum() if about else 0.0))
        for i, s in share.items():
            print(f"layer {i}: image {np.mean([x[0] for x in s]):.3f}  first token {np.mean([x[1] for x in s]):.3f}  asked about {np.mean([float(x[2]) for x in s]):.3f}")


if __name__ == "__main__":
    main()
