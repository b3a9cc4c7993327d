"""Draws scene specs, the twin of src/scenes/render.ts: the same bytes from the same spec.

Also labels the patches of a scene, which the vision tower's pretraining and the guided attention of
the joint training need. Specs are made by `fastv scenes`; nothing is drawn at random here.
"""

import gzip
import json
from functools import lru_cache
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SIZE = 96
PATCH = 8
GRID = SIZE // PATCH
PATCHES = GRID * GRID
MAX_TEXT = 5
COLORS = [
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "gray", "white", "black", "cyan",
]  # fmt: skip
SPRITE_SIZES = [12, 16, 20, 24, 28, 32]


class Atlas:
    """Sprites as RGBA [height, width, 4], glyphs as alpha [height, width], both int32."""

    def __init__(self, folder: Path = ROOT / "assets" / "scenes"):
        index = json.loads((folder / "atlas.json").read_text())
        data = np.frombuffer(gzip.decompress((folder / "atlas.bin").read_bytes()), np.uint8)
        self.classes = list(index["sprites"])
        self.class_id = {name: i for i, name in enumerate(self.classes)}
        self.sprites = {}
        for name, sizes in index["sprites"].items():
            for s in sizes:
                n = 4 * s["width"] * s["height"]
                pixels = data[s["offset"] : s["offset"] + n].reshape(s["height"], s["width"], 4).astype(np.int32)
                self.sprites[name, s["size"]] = (pixels[..., :3] * pixels[..., 3:], pixels[..., 3:])
        self.glyphs = {}
        for size, g in index["glyphs"].items():
            for c, at in g["characters"].items():
                alpha = data[at : at + g["width"] * g["height"]].reshape(g["height"], g["width"], 1)
                self.glyphs[c, int(size)] = alpha.astype(np.int32)
        self.characters = sorted(next(iter(index["glyphs"].values()))["characters"])
        self.character_id = {c: i for i, c in enumerate(self.characters)}


@lru_cache
def atlas() -> Atlas:
    return Atlas()


_y, _x = np.mgrid[0:SIZE, 0:SIZE]


def _background(b: dict) -> np.ndarray:
    lo, hi = np.array(b["from"], np.int32), np.array(b["to"], np.int32)
    t = {"gradient-x": _x, "gradient-y": _y}.get(b["style"])
    if t is None:
        image = np.broadcast_to(lo, (SIZE, SIZE, 3)).copy()
    else:
        image = (lo * (SIZE - 1 - t)[..., None] + hi * t[..., None] + 47) // (SIZE - 1)
    if b["style"] == "texture":
        x, y = np.arange(SIZE // 2, dtype=np.uint32)[None, :], np.arange(SIZE // 2, dtype=np.uint32)[:, None]
        h = x * np.uint32(374761393) + y * np.uint32(668265263)
        h = h + np.uint32((b["seed"] * 2246822519) & 0xFFFFFFFF)
        h = (h ^ (h >> np.uint32(13))) * np.uint32(1274126177)
        h = h ^ (h >> np.uint32(16))
        noise = (h % np.uint32(17)).astype(np.int32) - 8
        image = image + noise.repeat(2, 0).repeat(2, 1)[..., None]
        image = image.clip(0, 255)
    return image.astype(np.int32)


def texts(scene: dict) -> list[dict]:
    """A scene's text; and those that the tower's pretraining adds to it (`more_texts`)."""
    return ([] if scene["text"] is None else [scene["text"]]) + scene.get("more_texts", [])


def overlap(a: dict, b: dict) -> bool:
    return a["x"] < b["x"] + b["width"] and b["x"] < a["x"] + a["width"] and a["y"] < b["y"] + b["height"] and b["y"] < a["y"] + a["height"]


def with_more_texts(scene: dict, others: list[dict]) -> dict:
    """The scene with the texts of other scenes added where there is room."""
    taken = [o["box"] for o in scene["objects"]] + [t["box"] for t in texts(scene)]
    more = []
    light = sum(w * v for w, v in zip((299, 587, 114), scene["background"]["from"])) > 128_000
    for text in (t for s in others for t in texts(s)):
        if not any(overlap(text["box"], box) for box in taken):
            more.append({**text, "color": [0, 0, 0] if light else [255, 255, 255]})
            taken.append(text["box"])
    return {**scene, "more_texts": more}


def render(scene: dict) -> np.ndarray:
    """RGB bytes, uint8 [96, 96, 3]."""
    a = atlas()
    image = _background(scene["background"])
    for c in scene["clutter"]:
        image[c["y"] : c["y"] + c["height"], c["x"] : c["x"] + c["width"]] = c["color"]
    for o in scene["objects"]:
        rgb_alpha, alpha = a.sprites[o["class"], o["size"]]
        _blend(image, o["box"]["x"], o["box"]["y"], rgb_alpha, alpha)
    for text in texts(scene):
        color = np.array(text["color"], np.int32)
        for i, c in enumerate(text["value"]):
            alpha = a.glyphs[c, text["size"]]
            _blend(image, text["box"]["x"] + i * alpha.shape[1], text["box"]["y"], color * alpha, alpha)
    return image.astype(np.uint8)


def _blend(image: np.ndarray, x: int, y: int, rgb_alpha: np.ndarray, alpha: np.ndarray) -> None:
    h, w = alpha.shape[:2]
    top, left = max(0, -y), max(0, -x)
    bottom, right = min(h, SIZE - y), min(w, SIZE - x)
    if bottom <= top or right <= left:
        return
    part = image[y + top : y + bottom, x + left : x + right]
    a, s = alpha[top:bottom, left:right], rgb_alpha[top:bottom, left:right]
    part[:] = (s + part * (255 - a) + 127) // 255


@lru_cache
def _bicubic(size: int) -> np.ndarray:
    """[size, 96]: what each pixel of an enlarged line is made of; Keys' cubic with a = -1/2, as Pillow's."""
    at = (np.arange(size)[:, None] + 0.5) * SIZE / size - 0.5
    x = np.abs(at - np.arange(SIZE))
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    w = np.where(x < 1, near, np.where(x < 2, far, 0))
    return (w / w.sum(1, keepdims=True)).astype(np.float32)


def enlarge(images: np.ndarray, size: int) -> np.ndarray:
    """uint8 [b, 96, 96, 3] → uint8 [b, size, size, 3], as the image processor resizes (Pillow's bicubic, size >= 96)."""
    if size == SIZE:
        return images
    bytes_ = lambda x: np.floor(x + 0.5).clip(0, 255).astype(np.float32)  # noqa: E731
    wide = bytes_(np.einsum("xw,bhwc->bhxc", _bicubic(size), images.astype(np.float32), optimize=True))
    return bytes_(np.einsum("yh,bhxc->byxc", _bicubic(size), wide, optimize=True)).astype(np.uint8)


def patches_of(size: int) -> int:
    """Image tokens of a picture that is seen at `size` pixels."""
    return (size // PATCH) ** 2


def center_patch(box: dict, size: int = SIZE) -> int:
    """The patch that holds a box's centre, where the picture is seen at `size` pixels."""
    grid = size // PATCH
    place = lambda at, length: min(max((at + length // 2) * size // (SIZE * PATCH), 0), grid - 1)  # noqa: E731
    return place(box["y"], box["height"]) * grid + place(box["x"], box["width"])


def glyph_box(text: dict, i: int) -> dict:
    width = text["box"]["width"] // len(text["value"])
    return {"x": text["box"]["x"] + i * width, "y": text["box"]["y"], "width": width, "height": text["box"]["height"]}


def patch_labels(scene: dict, seen: int = SIZE) -> dict[str, np.ndarray]:
    """What the vision tower must be able to say of each patch (144 at 96 pixels) of a picture seen at `seen` pixels.

    category: 0 background, then the classes, then the characters: what covers most of the patch, if
      anything covers an eighth of it. center: the patch holds an object's centre. size: index of its
      sprite size (-100 elsewhere). index: which character of the text its glyph is (-100 elsewhere).
      thing: the number of the object or glyph whose centre it holds (-1 elsewhere).
    """
    a = atlas()
    cover = np.full((SIZE, SIZE), -1, np.int16)
    things = []
    for o in scene["objects"]:
        alpha = a.sprites[o["class"], o["size"]][1]
        things.append((o["box"], alpha, 1 + a.class_id[o["class"]], SPRITE_SIZES.index(o["size"]), -100))
    for text in texts(scene):
        for i, c in enumerate(text["value"]):
            alpha = a.glyphs[c, text["size"]]
            box = glyph_box(text, i)
            things.append((box, np.maximum(alpha, 128), 1 + len(a.classes) + a.character_id[c], -100, i))
    for n, (box, alpha, *_) in enumerate(things):
        x, y = box["x"], box["y"]
        part = cover[y : y + alpha.shape[0], x : x + alpha.shape[1]]
        part[alpha[: part.shape[0], : part.shape[1], 0] > 60] = n
    if seen != SIZE:
        at = np.arange(seen) * SIZE // seen
        cover = cover[at[:, None], at]
    grid, count = seen // PATCH, patches_of(seen)
    patches = cover.reshape(grid, PATCH, grid, PATCH).transpose(0, 2, 1, 3).reshape(count, PATCH * PATCH)
    flat = (np.arange(count)[:, None] * (len(things) + 1) + patches + 1).ravel()
    counts = np.bincount(flat, minlength=count * (len(things) + 1)).reshape(count, -1)[:, 1:]
    category = np.zeros(count, np.int64)
    size = np.full(count, -100, np.int64)
    index = np.full(count, -100, np.int64)
    center = np.zeros(count, np.int64)
    thing = np.full(count, -1, np.int64)
    if things:
        owner = counts.argmax(1)
        held = counts.max(1) >= PATCH * PATCH // 8
        for p in np.nonzero(held)[0]:
            _, _, category[p], size[p], index[p] = things[owner[p]]
    for n, (box, _, cat, s, i) in enumerate(things):
        p = center_patch(box, seen)
        center[p], thing[p] = 1, n
        category[p], size[p], index[p] = cat, s, i
    return {"category": category, "center": center, "size": size, "index": index, "thing": thing}
