"""The training layout, the plain forward pass, Hugging Face's model and the ONNX files agree."""

import json

import numpy as np
import pytest
import torch

import data
import export
import scenes
from evaluate import Batch, attention_drop, forward, keep_count
from model import Config, Llava
from train import MODEL, Runner, grow, load

GOLDEN = json.loads((scenes.ROOT / "src" / "scenes" / "golden.json").read_text())


@pytest.fixture(scope="module")
def encoder():
    return data.Encoder(MODEL)


@pytest.fixture(scope="module")
def model(encoder):
    torch.manual_seed(1)
    config = Config(vocab=encoder.vocab, tower_layers=2, layers=3)
    return Llava(config).eval()


def question(text, answer, family="existence"):
    return {"family": family, "question": text, "answer": answer, "mentions": []}


def rows():
    out = []
    for g in GOLDEN[:3]:
        for q in (question("Is there a dog in the image?", "yes"), question("Which object moved?", "cat")):
            out.append({"scenes": [g["scene"]], **q})
    return out


def test_questions_side_by_side_are_as_if_alone(model, encoder):
    """Blocks see the prefix and themselves only: the same logits as one question at a time."""
    lines = [json.dumps({"scenes": r["scenes"], "questions": rows()[2 * i : 2 * i + 2]}) for i, r in enumerate(rows()[::2])]
    both = lambda rng, questions, n: questions  # noqa: E731
    batch = next(data.batches(iter(lines), encoder, 3, 2, 18, None, both))
    runner = Runner(model, encoder, "cpu", thaw=False, compiled=False)
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        runner.model = model
        original = torch.autocast
        torch.autocast = lambda *a, **k: original("cpu", enabled=False)
        try:
            logits, labels, _, _ = runner(batch)
        finally:
            torch.autocast = original
    alone = Batch(rows(), encoder)
    want, _ = forward(model, alone)
    keep = alone.labels != -100
    assert torch.equal(alone.labels[keep], labels)
    assert torch.allclose(want[keep], logits, atol=2e-4)


def test_growing_changes_nothing(model, encoder):
    batch = Batch(rows(), encoder)
    deep = grow(model, 9).eval()
    assert len(deep.layers) == 9
    assert torch.allclose(forward(model, batch)[0], forward(deep, batch)[0], atol=1e-4)


def test_dropping_nothing_changes_nothing_and_dropping_all_does(model, encoder):
    batch = Batch(rows(), encoder)
    plain = forward(model, batch)[0]
    none = forward(model, batch, attention_drop(0.0)(batch, None), K=1)[0]
    every = forward(model, batch, attention_drop(1.0)(batch, None), K=1)[0]
    at = (torch.arange(len(batch.last)), batch.last)
    assert torch.equal(plain[at], none[at])
    assert not torch.allclose(plain[at], every[at])


def test_round_half_even():
    assert [keep_count(n, 0.5) for n in (1, 3, 5, 144)] == [0, 2, 2, 72]


def test_export_is_exact_and_can_be_restored(model, encoder, tmp_path):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((MODEL / name).read_bytes())
    (tmp_path / "onnx").mkdir()
    export.configs(model, encoder, tmp_path)
    export.decoder(model, tmp_path / "onnx" / "decoder_model_merged.onnx")
    export.vision_encoder(model, tmp_path / "onnx" / "vision_encoder.onnx")
    export.embed_tokens(model, tmp_path / "onnx" / "embed_tokens.onnx")
    assert export.check(model, encoder, tmp_path) < 1e-3
    export.restore(tmp_path, tmp_path / "again.pt")
    again, _ = load(tmp_path / "again.pt")
    for k, v in model.state_dict().items():
        assert np.array_equal(v, again.state_dict()[k]), k
