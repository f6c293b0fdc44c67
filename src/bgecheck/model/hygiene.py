"""Makes foreign text harmless: no terminal escapes, no control or bidi characters, no secrets, bounded length."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, TypeGuard
from urllib.parse import quote, quote_plus

from bgecheck.model.words import Shell, Text

LIMIT = 2000
"""Characters that one foreign string may contribute to a report."""

KEY_VARIABLE = "BGECHECK_API_KEY"
"""The one variable that stands for the server's key, in printed commands and launch lines too."""

KEY_IN_SHELL = f"${{{KEY_VARIABLE}:?export it first}}"
"""The key in a printed command, within double quotes: where it is not exported the shell runs nothing, and says so."""

KEY_IN_TEMPLATES = KEY_IN_SHELL.replace("{", "{{").replace("}", "}}")
"""The same in the commands of a row, which are templates."""

_PLAIN = re.compile("[ -~±×\u2014\u201c\u201d\u2026\u3001-\u3011\u4e00-\u9fff\uff01-\uff5e]*")
"""What our own sentences are made of: ASCII, Chinese characters and their punctuation, and a few marks."""
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)"  # OSC, DCS, SOS, PM, APC with their payload
    r"|\x1b[ -/]*[0-~]"  # two-character escapes
    r"|\x9b[0-?]*[ -/]*[@-~]"  # C1 form of CSI
)
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1 (tab and newline are folded to a blank below)
    "\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"  # zero width, bidi, separators
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"  # fillers, variation selectors
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff]"  # musical marks, tags, lone surrogates
)
_PILES = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{2})[\u0300-\u036f"
    "\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)
"""More marks over one letter than any script writes, which cover the lines above and below."""
_KEY_OPTION = r"--(?:[a-z]+-){0,3}(?:api-key|password|hf-token|hf-api-token)"
"""The options of sglang, its router and text-embeddings-inference that take a secret."""

_KEY_SHAPES = (
    re.compile(r"(?i)(bearer\s+|authorization['\"]?\s*[:=]\s*['\"]?basic\s+)[^\s'\",;]+"),
    # A variable of the shell that stands for a key is no key: our own commands name one.
    re.compile(
        r"(?i)((?:api[-_]?key|password)['\"]?\s*[:=]\s*['\"]?)"
        r"(?!None\b|null\b|(?-i:\$[A-Z_]+\b)|\?export it first\})[^\s'\",)}&]+"
    ),
    re.compile(
        # As typed, and as a list of words: `'--api-key', 'KEY'`. `[--api-key API_KEY]` is argparse's usage.
        rf"(?i)({_KEY_OPTION}(?:[= ]+|\\*['\"],?\s*(?=\\*['\"])))"
        rf"(?!(?-i:\"?\$[A-Z_]+\"?|\"{re.escape(KEY_IN_SHELL)}\"|\\)(?:\s|$))(?!(?-i:[A-Z_]+\]))"
        r"(?:\\*'[^']*'|\\*\"[^\"]*\"|\S+)"
    ),
    # A token stands alone, and has 34 characters: hf_transformers_utils.py is a file, HF_ENDPOINT= a variable.
    re.compile(
        r"(?i)(\bhf_)(?!(?:transfer|endpoint|tokenizer|overrides)\b)(?:[a-z0-9]{20,}|[a-z0-9]{8,}(?![a-z0-9_=]))"
    ),
    re.compile(r"(?i)(://[^/\s:@]*:)[^/\s]+(?=@)"),
    re.compile(r"\b(sk-)[A-Za-z0-9_\-]{4,}"),
)
_KEY_MARKS = ("bearer", "authorization", "apikey", "api-key", "api_key", "password", "hf_", "hf-", "@", "sk-")
"""Every key shape holds one of them; most texts hold none, and are not searched for the shapes."""

_KEY_COMES = re.compile(rf"(?i){_KEY_OPTION}['\",\s\\]*$")
_VALUE = re.compile(r"^(?P<before>\s*(?:- )?\\*['\"]?)(?!--)[^\s'\"].*?(?P<after>\s*\\*['\"]?,?\s*)$")

HIDDEN = "***"
CUT = "…"


def values_hidden(lines: Sequence[str]) -> list[str]:
    """Lines of a text that has a word in each, as of `kubectl describe`, without those that follow a key's option."""
    return [
        _VALUE.sub(rf"\g<before>{HIDDEN}\g<after>", line) if _KEY_COMES.search(above) else line
        for above, line in zip(("", *lines), lines, strict=False)
    ]


def clean(text: str, limit: int = LIMIT) -> str:
    """`text` as one printable line of at most `limit` characters.

    Terminal escape sequences, control, invisible and bidirectional characters are removed, and marks that pile up
    over a letter; white space other than a blank becomes one blank; a cut is marked by an ellipsis.
    """
    if len(text) <= limit and (text.isprintable() if text.isascii() else _PLAIN.fullmatch(text)):
        return text  # as nearly all are
    cut = text[: limit * 4]
    cut = _ESCAPES.sub("", cut).replace("\t", " ").replace("\n", " ")
    cut = _CONTROLS.sub("", cut)
    if not cut.isascii():
        cut = _PILES.sub(r"\1", cut)
    return cut if len(cut) <= limit and len(text) <= limit * 4 else cut[: limit - 1] + CUT


def _forms(secret: str) -> set[str]:
    """A secret in the forms in which servers echo it: as it is, in a Python or JSON string, in a URL, in HTML."""
    quoted = secret.replace("\\", "\\\\").replace('"', '\\"')
    forms = {secret, clean(secret), repr(secret)[1:-1], ascii(secret)[1:-1], quoted, quoted.replace("/", "\\/")}
    in_url = quote(secret, safe="", errors="surrogatepass")
    return forms | {
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret))[3:-3],
        quote(secret, errors="surrogatepass"),
        in_url,
        quote(in_url),
        quote_plus(secret, errors="surrogatepass"),
        escape(secret),
    }


def _packed(secret: str) -> set[str]:
    """What base64 makes of a secret within other bytes, as far as the others do not change it; in both alphabets."""
    raw, forms = secret.encode("utf-8", "surrogatepass"), set()
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
        inner = text[math.ceil(before * 8 / 6) : (before + len(raw)) * 8 // 6]
        forms |= {inner, inner.translate(_URL_SAFE)}
    return {form for form in forms if len(form) >= SHORTEST}


_URL_SAFE = str.maketrans("+/", "-_")

SHORTEST = 8
"""Characters that a secret must have to be looked for in base64, or with blanks in it: shorter ones stand in words."""


def _pattern(form: str) -> str:
    """A form, whatever its case; a long one also where a line was wrapped within it."""
    return (r"\s*" if len(form) >= SHORTEST else "").join(map(re.escape, form))


NAMED_LIKE_A_KEY = re.compile(
    r"(?i)key(?!file|space|word)|token(?!iz|s)|secret|passw|pass$|pwd|requirepass|auth|credential"
)
"""In the name of an option or variable whose value is nobody's business; some that are harmless match too."""

_COMMAND = 160
"""Characters that are shown of another program's command line."""


def command_line(argv: Iterable[str]) -> str:
    """The command line of another program as one short line, without the values of what is named like a secret."""
    words: list[str] = []
    hidden = False
    for word in argv:
        name, equals, _ = word.partition("=")
        secret = NAMED_LIKE_A_KEY.search(name) is not None and " " not in name
        if hidden and not word.startswith("-"):
            words.append(HIDDEN)
        else:
            words.append(f"{name}={HIDDEN}" if secret and equals else word)
        hidden = secret and not equals and word.startswith("-")
    return clean(Redactor().text(" ".join(words)), _COMMAND)


def _are_lines(values: Sequence[Any]) -> TypeGuard[Sequence[str]]:
    return all(isinstance(value, str) for value in values)


class Redactor:
    """Hides the secrets that it is given, and whatever looks like a key, in everything that leaves the program."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # Longest first, so that a secret that contains another one is hidden whole. A very short
        # secret ("EMPTY" is a placeholder, "a" is a letter) would blank out ordinary words.
        given = [secret for secret in secrets if secret != "EMPTY"]
        forms = {form for secret in given for form in _forms(secret) if len(form) >= 4}
        self._secrets = sorted(forms, key=len, reverse=True)
        self._shape = re.compile("|".join(map(_pattern, self._secrets)), re.IGNORECASE) if forms else None
        self._packed = [packed for secret in given for packed in _packed(secret)]

    def text(self, text: str) -> str:
        """`text` without secrets."""
        if self._shape is not None:
            text = self._shape.sub(HIDDEN, text)
        for packed in self._packed:
            if packed in text:
                text = re.sub(rf"[\w+/-]*{re.escape(packed)}[\w+/=-]*", HIDDEN, text)
        small = text.lower()
        if any(mark in small for mark in _KEY_MARKS):
            for shape in _KEY_SHAPES:
                text = shape.sub(rf"\g<1>{HIDDEN}", text)
        return self._without_stump(text) if text.endswith(CUT) else text

    def _without_stump(self, text: str) -> str:
        """`text`, which was cut, without the beginning of a secret that the cut went through."""
        body = text[: -len(CUT)]
        for secret in self._secrets:
            for length in range(min(len(secret) - 1, len(body)), 2, -1):
                if body.endswith(secret[:length]):
                    return body[:-length] + HIDDEN + CUT
        return text

    def value(self, value: Any) -> Any:
        """`value` with every string in it cleaned and redacted; mappings and sequences keep their shape."""
        if isinstance(value, Shell):
            return Shell(self.text(clean(value)))
        if isinstance(value, str):
            return self.text(clean(value))
        if isinstance(value, Text):
            return Text(self.value(value.en), self.value(value.zh))
        if isinstance(value, Mapping):
            return {self.text(clean(str(key))): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            lines = [type(item)(clean(item)) if isinstance(item, str) else item for item in value]
            return [self.value(item) for item in (values_hidden(lines) if _are_lines(lines) else lines)]
        return value
