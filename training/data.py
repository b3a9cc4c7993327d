"""Batches for the joint training: one image, one system prompt, many questions side by side.

A batch's tokens are laid out as [prefix | block 1 | … | block Q]: the prefix is the system prompt with
the images, a block is one question with its answer (or two turns). Attention masks and positions are such
that each block sees the prefix and itself, as if it were a conversation of its own.

The attention targets (`AIMS`) say where one head of one layer should look:

- guide: from the word that names a thing to the patches that hold the centres of these things, and to the
  first token (a sink) with the weight of one more thing. So the share that the sink gets tells how many
  there are, and all of it says: none. The word "background" looks at background.
- read: from the answer to these words, in a later layer.
- ask: from the end of the prompt to these words, in the first layer.
- look: from the end of the prompt to whatever is not background, most to centres; and, from the second
  layer on, half of it to what the question is about, which `ask` has told it.
- tag: from patches of several images to the number that stands before their image.
- track: from an object in a later frame to the same object in the first one.

The pictures of a batch are all seen at one size, which says how many image tokens each has.

A batch may be thinned: some of its background patches are left out before the first layer, as if the image
were smaller there. What the model reads must then not depend on how much background is beside it.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

import scenes
from tokenizer import SYSTEM

IGNORE = -100


AIMS = ("guide", "read", "ask", "look", "look_about", "tag", "track")


@dataclass
class Batch:
    images: np.ndarray  # uint8 [b * images, size, size, 3]
    blocks: torch.Tensor  # int64 [b, Q, L], padded with 0
    labels: torch.Tensor  # int64 [b, Q, L]: the token that each position must predict, or -100
    kept: torch.Tensor  # int64 [b, P]: which tokens of the prefix are there, in order
    aims: dict  # each of AIMS: at int64 [g, 2] (image, position among all tokens), to float [g, P + L] (where it should look)
    families: list  # [b][Q] family of each block


class Prefix:
    """The tokens of the system prompt and so many images; several are numbered, as in the chat template."""

    def __init__(self, encoder: "Encoder", images: int, patches: int):
        shown = "<image>" if images == 1 else "\n".join(f"{n + 1}:<image>" for n in range(images))
        image, ids, numbers = encoder.id("<image>"), [], []
        for token in encoder.encode(f"<s>{SYSTEM} USER: {shown}\n"):
            if token == image:
                numbers.append(len(ids) - 2)
            ids += [token] * (patches if token == image else 1)
        self.ids = np.array(ids)
        self.patches = np.flatnonzero(self.ids == image)  # [images * patches] positions of image tokens
        self.texts = np.flatnonzero(self.ids != image)
        self.numbers = numbers if images > 1 else []  # where each image's number is

    def __len__(self):
        return len(self.ids)


class Encoder:
    def __init__(self, folder: Path):
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.id = self.tokenizer.token_to_id
        self.prefix = lru_cache(lambda images, patches=scenes.PATCHES: Prefix(self, images, patches))
        self.vocab = (self.tokenizer.get_vocab_size() + 7) // 8 * 8
        self.eos = self.id("</s>")
        self.encode = lru_cache(maxsize=200_000)(self.encode)

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text).ids

    def turn(self, q: dict, scene: dict, first: bool, size: int = scenes.SIZE):
        """Tokens, labels and attention targets of one turn: lists, (position, patches), (position, words)."""
        question = self.encode(("" if first else " USER: ") + q["question"] + " ASSISTANT:")
        answer = self.encode(" " + q["answer"]) + [self.eos]
        tokens = [*question, *answer]
        patch = lambda e: patch_at(e["box"], e["image"], size)  # noqa: E731
        n = len(question)
        labels = [IGNORE] * (n - 1) + answer + [IGNORE]
        guides, words = [], []
        if q["family"] == "caption":
            at = n
            for m in q["mentions"]:
                word = self.id("Ġ" + m["word"])
                while at < len(tokens) and tokens[at] != word:
                    at += 1
                if m["word"] == "text":
                    guides += self.read(scene["text"], tokens, at + 1, len(tokens) - 2, size)
                else:  # the article before the word must know it already
                    guides.append((at - 2, [patch(m["evidence"][0])]))
                    guides.append((at - 1, [patch(m["evidence"][0])]))
        elif q["family"].startswith("text"):
            guides += self.read(scene["text"], tokens, n, len(tokens) - 1, size)
        elif q["family"] == "color":
            words.append(question.index(self.id("Ġbackground")))
            guides.append((words[-1], np.flatnonzero(scenes.patch_labels(scene, size)["category"] == 0)))
        else:
            for m in q["mentions"]:
                words.append(question.index(self.id("Ġ" + m["word"])))
                guides.append((words[-1], [patch(e) for e in m["evidence"]]))
        return tokens, labels, guides, words

    def read(self, text: dict, tokens: list, start: int, end: int, size: int):
        """Each token that predicts a character looks at that character; the last one at the sink."""
        # tokens[start] is the space, tokens[start + 1] the first character
        out = [(start + i, [patch_at(scenes.glyph_box(text, i), 0, size)]) for i in range(len(text["value"]))]
        return [*out, (start + len(out), [])] if start + len(out) < end + 1 else out


def patch_at(box: dict, image: int, size: int) -> int:
    """An image token's number among all image tokens."""
    return image * scenes.patches_of(size) + scenes.center_patch(box, size)


class Targets:
    """Where heads should look, collected row by row; positions are those of the whole prefix."""

    def __init__(self, width: int):
        self.width, self.at, self.to = width, [], []

    def add(self, image: int, position: int, columns) -> None:
        """Asks for attention spread evenly over the columns, as often as each is named."""
        row = np.zeros(self.width, np.float32)
        np.add.at(row, columns, 1)
        self.at.append((image, position))
        self.to.append(row)

    def tensors(self, kept: np.ndarray, prefix: int):
        """The same for a prefix of which only `kept` [b, P] is there."""
        at, to = np.array(self.at, np.int64).reshape(-1, 2), np.array(self.to, np.float32).reshape(-1, self.width)
        size, own = kept.shape[1], np.arange(prefix, self.width)
        to = np.stack([row[np.concatenate([kept[b], own])] for b, row in zip(at[:, 0], to)]) if len(at) else to[:, : size + len(own)]
        there = np.array([p >= prefix or p in kept[b] for b, p in at], bool)
        some = there & (to.sum(-1) > 0)
        at, to = at[some], to[some]
        for row in at:
            row[1] = row[1] - prefix + size if row[1] >= prefix else np.searchsorted(kept[row[0]], row[1])
        return torch.from_numpy(at), torch.from_numpy(to / np.maximum(to.sum(-1, keepdims=True), 1e-9))


def batches(lines, encoder: Encoder, size: int, questions: int, length: int, rng, choose, two_turns=0.0, count=1, thin=(0.0, 0), sizes=(scenes.SIZE,)):
    """Endless over `lines` (an iterator of JSON); `choose(rng, list of questions)` picks what to ask.

    Every line must have `count` images. `thin` is the share of batches that are thinned and how many
    image tokens of 144 a picture these keep: whatever is not background, and a random part of the background.
    `sizes`: what the pictures of a batch are enlarged to, one of them drawn for each batch."""
    asked = (r for r in map(json.loads, lines) if any(q["family"] != "caption" for q in r["questions"]))
    while True:
        seen = sizes[rng.integers(len(sizes))] if len(sizes) > 1 else sizes[0]
        prefix = encoder.prefix(count, scenes.patches_of(seen))
        width = len(prefix) + length
        records = [next(asked) for _ in range(size)]
        images = scenes.enlarge(np.stack([scenes.render(s) for r in records for s in r["scenes"]]), seen)
        blocks = np.zeros((size, questions, length), np.int64)
        labels = np.full((size, questions, length), IGNORE, np.int64)
        weights = [np.concatenate([weight(s, seen) for s in r["scenes"]]) for r in records]
        kept = np.stack([np.arange(len(prefix))] * size)
        if thin[0] and rng.random() < thin[0]:
            most = thin[1] * scenes.patches_of(seen) // scenes.PATCHES
            chosen = [np.argsort(rng.random(len(w)) - (w > 0), kind="stable")[:most] for w in weights]
            kept = np.stack([np.sort(np.concatenate([prefix.texts, prefix.patches[c]])) for c in chosen])
        aims = {name: Targets(width) for name in AIMS}
        families = []
        for b, r in enumerate(records):
            link(aims, prefix, b, r["scenes"], seen)
            scene, things = r["scenes"][0], np.repeat(prefix.patches, weights[b])
            picked = choose(rng, r["questions"], questions)
            families.append([q["family"] for q in picked])
            for k, q in enumerate(picked):
                tokens, targets, guides, words = encoder.turn(q, scene, True, seen)
                turns = [(0, tokens, guides, words)]
                if two_turns and rng.random() < two_turns:
                    more = picked[rng.integers(len(picked))]
                    t2, l2, g2, w2 = encoder.turn(more, scene, False, seen)
                    turns.append((len(tokens), t2, g2, w2))
                    tokens, targets = tokens + t2, targets + l2
                blocks[b, k, : len(tokens)] = tokens[:length]
                labels[b, k, : len(targets)] = targets[:length]
                base = len(prefix) + k * length
                for start, t, guides, words in turns:
                    end = start + t.index(encoder.id(" ASSISTANT:"))
                    if end >= length:
                        continue
                    about = [x for _, patches in guides for x in prefix.patches[patches]]
                    own = [len(prefix) + start + w for w in words]
                    aims["look"].add(b, base + end, things)
                    about = np.resize(about, max(len(things), len(about))) if about else []
                    aims["look_about"].add(b, base + end, np.concatenate([things, about]).astype(np.int64))
                    for p, patches in guides:
                        if start + p < length:
                            aims["guide"].add(b, base + start + p, [0, *prefix.patches[patches]])
                    if words:
                        aims["ask"].add(b, base + end, own)
                        for p in range(end, min(length, start + len(t) - 2)):
                            aims["read"].add(b, base + p, own)
        yield Batch(
            images,
            torch.from_numpy(blocks),
            torch.from_numpy(labels),
            torch.from_numpy(kept),
            {name: t.tensors(kept, len(prefix)) for name, t in aims.items()},
            families,
        )


def link(aims: dict, prefix: Prefix, b: int, shown: list, size: int) -> None:
    """Objects of several images look at their image's number, and in later frames at themselves in the first."""
    for n, number in enumerate(prefix.numbers):
        for o in shown[n]["objects"]:
            position = prefix.patches[patch_at(o["box"], n, size)]
            aims["tag"].add(b, position, [number])
            first = [patch_at(f["box"], 0, size) for f in shown[0]["objects"] if f["class"] == o["class"]]
            if n and first:
                aims["track"].add(b, position, prefix.patches[first])


def weight(scene: dict, size: int = scenes.SIZE) -> np.ndarray:
    """How much the end of the prompt should look at each patch: not at background, six times as much at centres."""
    labels = scenes.patch_labels(scene, size)
    return (labels["category"] > 0) + 5 * labels["center"]


def pick_questions(rng, questions, n):
    """Short questions only, each at most once while they last."""
    short = [q for q in questions if q["family"] != "caption"]
    order = rng.permutation(len(short))
    return [short[order[i % len(order)]] for i in range(n)]


def pick_caption(rng, questions, n):
    return [q for q in questions if q["family"] == "caption"][:1] * n

