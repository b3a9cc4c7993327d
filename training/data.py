"""Batches for the joint training: one image, one system prompt, many questions side by side.

A batch's tokens are laid out as [prefix | block 1 | … | block Q]: the prefix is the system prompt with
the image, a block is one question with its answer (or two turns). Attention masks and positions are such
that each block sees the prefix and itself, as if it were a conversation of its own.

The attention targets say where one guided head should look: at the word that names a thing, at the
patches that hold the centres of these things, and at the first token (a sink) with the weight of one
more thing. So the share that the sink gets tells how many there are, and all of it says: none.
A head of a later layer is guided from the answer to these words. A head of each layer up to the guided one
is guided, at the end of the prompt, to the patches that show anything at all, most to those with a centre.
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


@dataclass
class Batch:
    images: np.ndarray  # uint8 [b * images, 96, 96, 3]
    blocks: torch.Tensor  # int64 [b, Q, L], padded with 0
    labels: torch.Tensor  # int64 [b, Q, L]: the token that each position must predict, or -100
    guide_at: torch.Tensor  # int64 [g, 2]: image, position among all tokens
    guide_to: torch.Tensor  # float [g, prefix + L]: where that token should look
    read_at: torch.Tensor  # the same for the reading layer: the answer looks at the words that name things
    read_to: torch.Tensor
    look_at: torch.Tensor  # and for the first layers: the end of the prompt looks at whatever is no background
    look_to: torch.Tensor
    families: list  # [b][Q] family of each block


class Encoder:
    def __init__(self, folder: Path):
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.id = self.tokenizer.token_to_id
        before = self.encode(f"<s>{SYSTEM} USER: ")
        after = self.encode("\n")
        self.image_at = len(before)
        self.before, self.after = before, after
        self.prefix = self.prefix_of(1)
        self.vocab = (self.tokenizer.get_vocab_size() + 7) // 8 * 8
        self.eos = self.id("</s>")
        self.encode = lru_cache(maxsize=200_000)(self.encode)

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text).ids

    def prefix_of(self, images: int) -> np.ndarray:
        """The tokens of the system prompt and so many images."""
        return np.array(self.before + [self.id("<image>")] * (scenes.PATCHES * images) + self.after)

    def patch(self, box: dict, image: int = 0) -> int:
        return self.image_at + image * scenes.PATCHES + scenes.center_patch(box)

    def turn(self, q: dict, scene: dict, first: bool):
        """Tokens, labels and attention targets of one turn: lists, (position, patches), (position, words)."""
        question = self.encode(("" if first else " USER: ") + q["question"] + " ASSISTANT:")
        answer = self.encode(" " + q["answer"]) + [self.eos]
        tokens = [*question, *answer]
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
                    guides += self.read(scene["text"], tokens, at + 1, len(tokens) - 2)
                else:  # the article before the word must know it already
                    guides.append((at - 2, [self.patch(m["evidence"][0]["box"])]))
                    guides.append((at - 1, [self.patch(m["evidence"][0]["box"])]))
        elif q["family"].startswith("text"):
            guides += self.read(scene["text"], tokens, n, len(tokens) - 1)
        else:
            for m in q["mentions"]:
                words.append(question.index(self.id("Ġ" + m["word"])))
                guides.append((words[-1], [self.patch(e["box"], e["image"]) for e in m["evidence"]]))
        reads = [(at, words) for at in range(n - 1, len(tokens) - 2)] if words else []
        return tokens, labels, guides, reads

    def read(self, text: dict, tokens: list, start: int, end: int):
        """Each token that predicts a character looks at that character; the last one at the sink."""
        # tokens[start] is the space, tokens[start + 1] the first character
        out = [(start + i, [self.patch(scenes.glyph_box(text, i))]) for i in range(len(text["value"]))]
        return [*out, (start + len(out), [])] if start + len(out) < end + 1 else out


def batches(lines, encoder: Encoder, size: int, questions: int, length: int, rng, choose, two_turns=0.0, count=1):
    """Endless over `lines` (an iterator of JSON); `choose(rng, list of questions)` picks what to ask.

    Every line must have `count` images."""
    prefix = len(encoder.prefix_of(count))
    while True:
        records = [json.loads(next(lines)) for _ in range(size)]
        images = np.stack([scenes.render(s) for r in records for s in r["scenes"]])
        blocks = np.zeros((size, questions, length), np.int64)
        labels = np.full((size, questions, length), IGNORE, np.int64)
        targets_of = {"guide": ([], []), "read": ([], []), "look": ([], [])}
        things = [np.concatenate([np.repeat(np.arange(scenes.PATCHES), weight(s)) + n * scenes.PATCHES for n, s in enumerate(r["scenes"])]) for r in records]
        families = []
        for b, r in enumerate(records):
            scene = r["scenes"][0]
            picked = choose(rng, r["questions"], questions)
            families.append([q["family"] for q in picked])
            for k, q in enumerate(picked):
                tokens, targets, guides, reads = encoder.turn(q, scene, True)
                if two_turns and rng.random() < two_turns:
                    more = picked[rng.integers(len(picked))]
                    t2, l2, g2, r2 = encoder.turn(more, scene, False)
                    n = len(tokens)
                    guides = guides + [(p + n, x) for p, x in g2]
                    reads = reads + [(p + n, [w + n for w in ws]) for p, ws in r2]
                    tokens, targets = tokens + t2, targets + l2
                end = prefix + k * length + tokens.index(encoder.id(" ASSISTANT:"))
                add(targets_of["look"], b, end, encoder.image_at + things[b], prefix + length)
                blocks[b, k, : len(tokens)] = tokens[:length]
                labels[b, k, : len(targets)] = targets[:length]
                for p, patches in guides:
                    if p < length:
                        add(targets_of["guide"], b, prefix + k * length + p, [0, *patches], prefix + length)
                for p, words in reads:
                    if p < length:
                        add(targets_of["read"], b, prefix + k * length + p, [prefix + w for w in words], prefix + length)
        yield Batch(
            images,
            torch.from_numpy(blocks),
            torch.from_numpy(labels),
            *(
                tensor
                for at, to in targets_of.values()
                for tensor in (
                    torch.tensor(at, dtype=torch.int64).view(-1, 2),
                    torch.from_numpy(np.stack(to)) if to else torch.zeros(0, prefix + length),
                )
            ),
            families,
        )


def add(targets, image: int, position: int, columns: list, width: int):
    """Asks for attention spread evenly over the columns, as often as each is named."""
    row = np.zeros(width, np.float32)
    np.add.at(row, columns, 1)
    targets[0].append((image, position))
    targets[1].append(row / row.sum())


def weight(scene: dict) -> np.ndarray:
    """How much the end of the prompt should look at each patch: not at background, six times as much at centres."""
    labels = scenes.patch_labels(scene)
    return (labels["category"] > 0) + 5 * labels["center"]


def pick_questions(rng, questions, n):
    """Short questions only, each at most once while they last."""
    short = [q for q in questions if q["family"] != "caption"]
    order = rng.permutation(len(short))
    return [short[order[i % len(order)]] for i in range(n)]


def pick_caption(rng, questions, n):
    return [q for q in questions if q["family"] == "caption"][:1] * n


def pick_any(rng, questions, n):
    return [questions[i] for i in rng.integers(0, len(questions), n)]
