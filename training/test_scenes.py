"""python -m pytest training: rendering is the twin of src/scenes/render.ts, byte for byte."""

import hashlib
import json

import numpy as np
import pytest

import scenes

GOLDEN = json.loads((scenes.ROOT / "src" / "scenes" / "golden.json").read_text())


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda g: f"{g['split']}-{g['index']}")
def test_pixels_are_those_of_typescript(golden):
    assert hashlib.sha256(scenes.render(golden["scene"]).tobytes()).hexdigest() == golden["sha256"]


def test_every_centre_is_labelled():
    for golden in GOLDEN:
        scene = golden["scene"]
        labels = scenes.patch_labels(scene)
        for o in scene["objects"]:
            p = scenes.center_patch(o["box"])
            assert labels["center"][p] == 1
            assert 0 < labels["category"][p] <= len(scenes.atlas().classes)


def test_background_patches_are_background():
    scene = {**GOLDEN[0]["scene"], "objects": [], "text": None, "clutter": []}
    assert not scenes.patch_labels(scene)["category"].any()
    assert np.all(scenes.patch_labels(scene)["index"] == -100)
