"""The tokenizer: a byte-level BPE in which every word that scenes use is one token.

  python training/tokenizer.py models/scenes-llava

Its training text holds the words of the questions, answers and captions, but none of the strings of
characters that images show, so these stay one token a character.
"""

import json
import sys
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

import scenes

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
SPECIAL = ["<pad>", "<s>", "</s>", "<image>"]
ROLES = [" USER:", " ASSISTANT:"]
TEMPLATE = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}"
    "{% if messages[0]['content'] is string %}{{ messages[0]['content'] }}"
    "{% else %}{{ messages[0]['content'][0]['text'] }}{% endif %}"
    "{% set messages = messages[1:] %}"
    "{% else %}" + SYSTEM + "{% endif %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ ' USER: ' }}{% else %}{{ ' ASSISTANT:' }}{% endif %}"
    "{% if message['content'] is string %}"
    "{% if message['role'] == 'assistant' %}{{ ' ' }}{% endif %}{{ message['content'] }}"
    "{% else %}"
    # several images are numbered: 1:<image>, 2:<image>, a line each
    "{% set ns = namespace(images=0, shown=0) %}"
    "{% for item in message['content'] %}"
    "{% if item['type'] == 'image' %}{% set ns.images = ns.images + 1 %}{% endif %}{% endfor %}"
    "{% for item in message['content'] %}"
    "{% if item['type'] == 'image' %}{% set ns.shown = ns.shown + 1 %}"
    "{% if ns.images > 1 %}{{ ns.shown ~ ':' }}{% endif %}{{ '<image>\n' }}{% endif %}{% endfor %}"
    "{% for item in message['content'] %}"
    "{% if item['type'] == 'text' %}"
    "{% if message['role'] == 'assistant' %}{{ ' ' }}{% endif %}{{ item['text'] }}{% endif %}{% endfor %}"
    "{% endif %}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}"
)

SENTENCES = """Is there a in the image? Is there an in the image? What is at the top left? Where is the relative to the?
How many objects are there? How many pictures are there? What color is the background? Which is larger, the or the?
What does the text say? Describe the image. a background with a at the middle center, an at the bottom right and the text.
Which object moved? In which direction did the move? In how many frames does the appear? Which image has an? has a?
yes no top middle bottom left center right above below up down first second third fourth
zero one two three four five six seven eight nine
red orange yellow green blue purple pink brown gray white black cyan
USER user assistant images picture video frame frames"""


def build() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    words = " ".join([SYSTEM, SENTENCES.replace("USER", "")]).split()
    words += scenes.atlas().classes
    corpus = [" " + w for w in words] * 3 + [w for w in SENTENCES.replace("\n", " ").split() if w[0].isupper()] * 3
    corpus = [w for w in corpus if w != "USER"] + [SYSTEM] * 3 + ["\n"]
    trainer = trainers.BpeTrainer(
        vocab_size=4096,
        min_frequency=2,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.add_tokens([AddedToken(r, normalized=False, special=False) for r in ROLES])
    return tokenizer


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = build()
    for word in [*scenes.atlas().classes, *scenes.COLORS, "three", "left"]:
        assert len(tokenizer.encode(f" {word}").ids) == 1, word
    assert len(tokenizer.encode(" SSTIS7").ids) == 7
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "image_token": "<image>",
        "model_max_length": 2048,
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    print(tokenizer.get_vocab_size(), "tokens")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
