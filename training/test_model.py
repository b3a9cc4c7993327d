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
from train_tower import same_at_96

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


def ask_both(rng, questions, n):
    return questions


def run_in_full_precision(runner, batch):
    original = torch.autocast
    torch.autocast = lambda *a, **k: original("cpu", enabled=False)
    try:
        with torch.no_grad():
            return runner(batch)
    finally:
        torch.autocast = original


def test_questions_side_by_side_are_as_if_alone(model, encoder):
    """Blocks see the prefix and themselves only: the same logits as one question at a time."""
    lines = [json.dumps({"scenes": r["scenes"], "questions": rows()[2 * i : 2 * i + 2]}) for i, r in enumerate(rows()[::2])]
    batch = next(data.batches(iter(lines), encoder, 3, 2, 18, None, ask_both))
    logits, labels, _, _ = run_in_full_precision(Runner(model, encoder, "cpu", thaw=False, compiled=False), batch)
    alone = Batch(rows(), encoder)
    want, _ = forward(model, alone)
    keep = alone.labels != -100
    assert torch.equal(alone.labels[keep], labels)
    assert torch.allclose(want[keep], logits, atol=2e-4)


@pytest.mark.parametrize("images", [1, 3])
def test_a_thinned_batch_is_one_with_hidden_image_tokens(model, encoder, images):
    shown = [g["scene"] for g in GOLDEN[:images]]
    asked = question("Is there a dog in the image?", "yes")
    line = json.dumps({"scenes": shown, "questions": [asked]})
    rng = np.random.default_rng(0)
    batch = next(data.batches(iter([line]), encoder, 1, 1, 18, rng, ask_both, count=images, thin=(1.0, 100 * images)))
    prefix = encoder.prefix(images)
    assert batch.kept.shape == (1, len(prefix.texts) + 100 * images)
    logits, _, _, _ = run_in_full_precision(Runner(model, encoder, "cpu", thaw=False, compiled=False), batch)
    alone = Batch([{"scenes": shown, **asked}], encoder)
    lost = alone.image.clone()
    lost[0, batch.kept[0]] = False
    want, _ = forward(model, alone, lambda _: lost, K=0)
    assert torch.allclose(want[alone.labels != -100], logits, atol=2e-4)
    # whatever is not background stays
    things = np.concatenate([data.weight(s) for s in shown]) > 0
    assert set(prefix.patches[things]) <= set(batch.kept[0].tolist())


def test_aims_point_at_the_same_tokens_in_a_thinned_prefix(encoder):
    shown = [g["scene"] for g in GOLDEN[:2]]
    box = shown[1]["objects"][0]["box"]
    word = shown[1]["objects"][0]["class"]
    asked = {
        **question(f"Which image has a {word}?", "second", "multi-image"),
        "mentions": [{"word": word, "evidence": [{"image": 1, "box": box}]}],
    }
    line = json.dumps({"scenes": shown, "questions": [asked]})
    one = lambda thin: next(data.batches(iter([line]), encoder, 1, 1, 18, np.random.default_rng(0), ask_both, count=2, thin=thin))  # noqa: E731
    full, thinned = one((0.0, 0)), one((1.0, 130))
    for aim in ("guide", "read", "ask", "tag", "track"):
        (at, to), (at2, to2) = full.aims[aim], thinned.aims[aim]
        assert len(at) == len(at2)
        long = full.kept.shape[1]
        back = np.concatenate([thinned.kept[0].numpy(), np.arange(long, long + 18)])
        for (_, p), row, (_, p2), row2 in zip(at.tolist(), to.numpy(), at2.tolist(), to2.numpy()):
            assert p == back[p2]
            assert set(np.flatnonzero(row)) == set(back[np.flatnonzero(row2)])
            assert row2.sum() == pytest.approx(1)


def test_prompts_are_those_of_the_chat_template(encoder):
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL)
    image = encoder.id("<image>")
    for images in (1, 2, 4):
        content = [{"type": "image"}] * images + [{"type": "text", "text": "Which object moved?"}]
        ids = tokenizer.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_dict=False)
        want = [i for t in ids for i in [t] * (scenes.PATCHES if t == image else 1)]
        assert want == [*encoder.prefix(images).ids, *encoder.encode("Which object moved? ASSISTANT:")]


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


@pytest.mark.parametrize("size", [120, 144])
def test_an_enlarged_picture_has_more_patches_and_the_same_things(encoder, size):
    scene = GOLDEN[0]["scene"]
    small, large = scenes.patch_labels(scene), scenes.patch_labels(scene, size)
    grid = size // scenes.PATCH
    assert len(large["category"]) == grid**2
    for o in scene["objects"]:
        at = scenes.center_patch(o["box"], size)
        assert large["center"][at] == 1
        assert large["category"][at] == 1 + scenes.atlas().class_id[o["class"]]
    same = same_at_96(scene, large, (2 * np.arange(grid) + 1) * scenes.SIZE // (2 * size))
    there = same >= 0
    assert there.mean() > 0.8
    assert (small["category"][same[there]] == large["category"][there]).all()
    assert (small["thing"][same[there]] == large["thing"][there]).all()


def test_enlarging_is_pillows():
    pixels = np.random.default_rng(0).integers(0, 256, (1, 96, 96, 3), np.uint8)
    pillow = pytest.importorskip("PIL.Image")
    for size in (120, 144):
        want = np.asarray(pillow.fromarray(pixels[0]).resize((size, size), pillow.Resampling.BICUBIC))
        assert np.abs(scenes.enlarge(pixels, size)[0].astype(int) - want).max() <= 1


def test_aims_follow_an_enlarged_picture(encoder):
    scene = GOLDEN[0]["scene"]
    thing = scene["objects"][0]
    asked = {
        **question(f"Is there a {thing['class']} in the image?", "yes"),
        "mentions": [{"word": thing["class"], "evidence": [{"image": 0, "box": thing["box"]}]}],
    }
    line = json.dumps({"scenes": [scene], "questions": [asked]})
    batch = next(data.batches(iter([line]), encoder, 1, 1, 18, np.random.default_rng(0), ask_both, sizes=(144,)))
    prefix = encoder.prefix(1, 324)
    assert batch.images.shape == (1, 144, 144, 3)
    assert batch.kept.shape == (1, len(prefix))
    _, to = batch.aims["guide"]
    assert set(np.flatnonzero(to[0].numpy())) == {0, prefix.patches[scenes.center_patch(thing["box"], 144)]}


def test_positions_are_interpolated_as_by_hugging_face(model, tmp_path, encoder):
    pytest.importorskip("transformers")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((MODEL / name).read_bytes())
    export.configs(model, encoder, tmp_path)
    tower = export.hf_model(model, tmp_path).model.vision_tower
    pixels = torch.rand(1, 3, 120, 144) * 2 - 1
    with torch.no_grad():
        want = tower(pixels, interpolate_pos_encoding=True).last_hidden_state[:, 1:]
        assert torch.allclose(model.tower(pixels), want, atol=1e-4)


def test_the_encoder_of_several_sizes_is_exact(model, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    export.vision_encoder(model, tmp_path / "vision.onnx", sizes=True)
    session = runtime.InferenceSession(tmp_path / "vision.onnx", providers=["CPUExecutionProvider"])
    for height, width in ((96, 96), (144, 144), (120, 96)):
        pixels = torch.rand(2, 3, height, width) * 2 - 1
        with torch.no_grad():
            want = model.project(model.tower(pixels)).numpy()
        assert np.abs(session.run(None, {"pixel_values": pixels.numpy()})[0] - want).max() < 1e-4


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
