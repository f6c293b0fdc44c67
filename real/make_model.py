"""Writes a small random BertModel with the shape, files and vocabulary size of bge-large-zh-v1.5.

usage: make_model.py FOLDER [LAYERS]

Shapes, token counts and file names are the true model's; the weights are random (fixed seed), so that its vectors
have no meaning. Needs torch, transformers and tokenizers.
"""

import json
import os
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

SIZE = 21128
PUBLISHED = {"architectures": ["BertModel"], "position_embedding_type": "absolute", "torch_dtype": "float32"}
"""What the published config.json says and transformers 5 no longer writes; sglang reads the second of them."""

MODULES = ("Transformer", "Pooling", "Normalize")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def vocabulary() -> list[str]:
    """21128 entries laid out as bert-base-chinese has them: [PAD] 0, [UNK] 100, [CLS] 101, [SEP] 102."""
    words = ["[PAD]", *(f"[unused{n}]" for n in range(1, 100)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(n) for n in range(33, 127) if not chr(n).isupper()]
    words += [*letters, *"，。！？；：“”‘’（）【】《》、…—·￥", *(f"##{c}" for c in letters if c.isalnum())]
    words += [chr(n) for n in range(0x4E00, 0xA000)]
    words = list(dict.fromkeys(words))[:SIZE]
    return words + [f"[unused{100 + n}]" for n in range(SIZE - len(words))]


def tokenizer(words: list[str]) -> Tokenizer:
    """BERT's own: a token for each Chinese character, word pieces for the rest, [CLS] and [SEP] around."""
    ids = {word: number for number, word in enumerate(words)}
    made = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    made.add_special_tokens(SPECIAL)
    return made


def main(folder: Path, layers: int) -> None:
    """Write the model folder."""
    folder.mkdir(parents=True, exist_ok=True)
    words = vocabulary()
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    tokenizer(words).save(str(folder / "tokenizer.json"))
    torch.manual_seed(int(os.environ.get("MODEL_SEED", "7")))
    config = BertConfig(
        vocab_size=SIZE,
        hidden_size=1024,
        num_hidden_layers=layers,
        num_attention_heads=16,
        intermediate_size=int(os.environ.get("MODEL_INTERMEDIATE", "1024")),
    )
    BertModel(config).eval().save_pretrained(folder, safe_serialization=True)
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**told, **PUBLISHED}, indent=2))
    names = {
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "mask_token": "[MASK]",
    }
    (folder / "special_tokens_map.json").write_text(json.dumps(names))
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "tokenize_chinese_chars": True, **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    modules = [
        {"idx": n, "name": str(n), "path": f"{n}_{name}" if n else "", "type": f"sentence_transformers.models.{name}"}
        for n, name in enumerate(MODULES)
    ]
    (folder / "modules.json").write_text(json.dumps(modules, indent=2))
    pooling = folder / "1_Pooling"
    pooling.mkdir(exist_ok=True)
    (pooling / "config.json").write_text(json.dumps({"word_embedding_dimension": 1024, "pooling_mode_cls_token": True}))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2)
