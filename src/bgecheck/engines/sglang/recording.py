"""The settings of a running sglang that decide a vector, as they are kept beside recorded ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bgecheck.engines.base import Sources
from bgecheck.engines.sglang.settings import settings
from bgecheck.model import clean

_KEPT = (
    *("model_path", "revision", "tokenizer_path", "dtype", "quantization", "context_length"),
    *("device", "tp_size", "enable_torch_compile"),
)
"""Of the page about the settings, beside what the rows about the launch look at."""

_LONGEST = 200


def kept_settings(
    settings_page: Mapping[str, Any], model_page: Mapping[str, Any], options: Mapping[str, str] | None
) -> dict[str, str]:
    """Each setting that is known, in words: from the pages, else from the launch options."""
    given = options or {}
    kept = {name: given[flag] for name in _KEPT if (flag := name.replace("_", "-")) in given}
    kept |= {name: settings_page[name] for name in _KEPT if isinstance(settings_page.get(name), str | int)}
    sources = Sources(model_page=model_page, settings_page=settings_page, options=options, logged={})
    kept |= {name: setting.value for name, setting in settings(sources).items() if name != "version"}
    if "pooling" in kept:
        kept["pooling"] = str(kept["pooling"]).lower()
    return {name: clean(str(value), _LONGEST) for name, value in kept.items() if isinstance(value, str | int)}
