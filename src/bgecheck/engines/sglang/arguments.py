"""Judges the options of a launch line as the parser of a release does, and says what was meant by a wrong one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from bgecheck.engines.planned import CUT, Change, Configured, Form, Word, Written
from bgecheck.engines.sglang.launchline import long_name, options_at, parse_launch
from bgecheck.engines.sglang.meant import FOREIGN, as_number, choice, nearest
from bgecheck.engines.sglang.releases import RENAMED, Option, Release, numbers, releases
from bgecheck.model import Text
from bgecheck.model.hygiene import KEY_VARIABLE
from bgecheck.model.target import DEFAULT_HOST, DEFAULT_PORT


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with a launch line, or odd about it."""

    kind: str
    """`unknown`, `ambiguous`, `choice`, `type`, `missing`, `switch`, `stray`, `required`, `retired`, `typography`,
    `unsplit`, `file`, `unquoted`, `exclusive`, `pages`, `shell`, which are refused; `deprecated`, `overridden`,
    `marks`, `cut-off`, which are not;
    `default`, `short`, which change nothing."""
    option: str
    """As it was typed."""
    why: Text
    value: str = ""
    change: Change | None = None
    """What mends it; None where that cannot be known."""
    place: str = ""
    """Where it stands in a file of options, which no change of the line mends."""

    @property
    def refused(self) -> bool:
        """Whether the parser ends the start because of it."""
        return self.kind not in ("deprecated", "overridden", "marks", "cut-off", "default", "short")

    @property
    def harmless(self) -> bool:
        """Whether it is a remark only."""
        return self.kind in ("default", "short")


class Item(NamedTuple):
    """An option as typed, or a word that belongs to none."""

    name: str | None
    """Without dashes; None for a word that is no option."""
    at: tuple[int, ...]
    """Its words by number."""
    values: tuple[str, ...]
    joined: bool
    """Whether its value stands behind an equals sign."""
    open: bool
    """Whether a value is not known here."""


MEANING: Mapping[str, Text] = {
    "max-running-requests": Text("texts that are computed at once", "同时计算的文本条数"),
    "max-prefill-tokens": Text("tokens of one batch", "一批的 token 数"),
    "mem-fraction-static": Text("share of the GPU's memory for weights and cache", "权重和缓存占显存的比例"),
    "context-length": Text("longest text, in tokens", "文本最大 token 数"),
    "model-path": Text("the model's folder or hub id", "模型目录或 hub ID"),
    "served-model-name": Text("the name that clients ask for", "客户端请求时用的模型名"),
    "tokenizer-path": Text("the tokenizer's folder", "分词器目录"),
    "is-embedding": Text("serve embeddings", "提供 embedding"),
    "disable-radix-cache": Text("no prefix cache", "关闭前缀缓存"),
    "chunked-prefill-size": Text("tokens of one chunk, -1 for none", "分块大小，-1 为不分块"),
    "dtype": Text("the numbers that are computed with", "计算精度"),
    "tp-size": Text("GPUs that share one model", "一份模型用几张 GPU"),
    "base-gpu-id": Text("the first GPU", "起始 GPU 编号"),
    "page-size": Text("tokens of one page of the cache", "缓存每页的 token 数"),
    "attention-backend": Text("the attention kernels", "注意力后端"),
    "disable-cuda-graph": Text("no CUDA graphs", "不用 CUDA graph"),
}
"""What an option means, for those that other programs have under another name."""

DEFAULTS: Mapping[str, str] = {
    "tokenizer-mode": "auto",
    "dtype": "auto",
    "load-format": "auto",
    "kv-cache-dtype": "auto",
    "tp-size": "1",
    "dp-size": "1",
    "pp-size": "1",
}
"""Values that are taken anyway (ServerArgs, 0.4.6 to 0.5.23)."""


def first_argument(values: Sequence[str]) -> int:
    """The number of the first word behind the program."""
    for at in range(len(values)):
        if parse_launch(values[at:]) is not None:
            return at + options_at(values[at:])
    return len(values)


def faults(words: Sequence[Word], release: Release, configured: Configured | None = None) -> tuple[Fault, ...]:
    """What is wrong with a launch line for a release, in the order of its words, and with its file of options."""
    of_file = _of_file(configured, release) if configured else ()
    return (*_of_line(words, release, configured), *of_file)


def _of_file(configured: Configured, release: Release) -> tuple[Fault, ...]:
    """What is wrong with a file of options: nothing of it is changed for whom it belongs to."""
    if configured.why is not None:
        return (Fault(kind="file", option=f"--config {configured.path}", why=configured.why),)
    of_entries = []
    for entry in configured.entries:
        words = [Word(word, 0, 0) for word in entry.words]
        items = list(_items(words, 0, release))
        judged = [fault for item in items for fault in _judged(item, words, release) if not fault.harmless]
        of_entries += [replace(fault, place=f"{configured.path}:{entry.line}") for fault in judged]
    return tuple(of_entries)


def _of_line(words: Sequence[Word], release: Release, configured: Configured | None) -> tuple[Fault, ...]:
    first = first_argument([word.value for word in words])
    spelled, odd = _typography(words, first)
    if (
        odd
        and not any(word.value == CUT for word in words)
        and not any(fault.refused for fault in _of_words(words, first, release, configured))
    ):
        odd = [replace(fault, kind="marks") for fault in odd]
    return (*odd, *_of_words(spelled, first, release, configured))


def _of_words(words: Sequence[Word], first: int, release: Release, configured: Configured | None) -> tuple[Fault, ...]:
    items = list(_items(words, first, release))
    of_words: list[Fault] = []
    for item in items:
        of_words += _judged(item, words, release)
    of_words += _twice(items, release)
    of_words += _exclusive(items, release)
    of_words += _pages(items, release)
    of_words += [_unquoted(at, word) for at, word in enumerate(words) if word.bare]
    hidden = any(item.name is None and (item.open or _unsplit(item.at[0], item.values[0])) for item in items)
    has_model = hidden or any(_means(item, release, "model-path") for item in items)
    if not has_model and not _named_by(configured, items, release):
        serves = first and words[first - 1].value == "serve" and items and items[0].name is None
        if not serves and not any(fault.kind == "ambiguous" for fault in of_words):
            of_words.append(_required())
    return tuple(of_words)


def _unquoted(at: int, word: Word) -> Fault:
    why = Text(
        f"without quotes {word.value} is no string, and a list of words takes strings alone (Kubernetes, compose)",
        f"{word.value} 没加引号，不是字符串，而参数列表只接受字符串（Kubernetes、compose 都会拒绝）",
    )
    reason = Text("a list of words takes strings alone", "参数列表只接受字符串")
    return Fault(kind="unquoted", option=word.value, why=why, change=Change((at,), (word.value,), reason))


def _means(item: Item, release: Release, name: str) -> bool:
    if item.name is None:
        return False
    option = release.option(item.name)
    return (option is not None and option.name == name) or FOREIGN.get(item.name.replace("_", "-"), ("",))[0] == name


def _named_by(configured: Configured | None, items: Sequence[Item], release: Release) -> bool:
    """Whether a file of options names the model, or may."""
    if configured is not None and configured.whole and configured.why is None:
        return "model-path" in configured.options
    return any(_means(item, release, "config") for item in items)


def _required() -> Fault:
    return Fault(
        kind="required",
        option="--model-path",
        why=Text(
            "--model-path is required: the model's folder or hub id", "缺少必填参数 --model-path：模型目录或 hub ID"
        ),
    )


_DASHES = re.compile("^[\u2010-\u2015\u2212\ufe58\ufe63\uff0d-]{1,2}(?=[A-Za-z])")
_QUOTES = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\uff02\uff07\u300c\u300d"


def _typography(words: Sequence[Word], first: int) -> tuple[list[Word], list[Fault]]:
    """The words with the marks of a document replaced by those of a keyboard, and a fault for each such word."""
    spelled, odd = list(words), []
    for at in range(first, len(words)):
        word = words[at].value
        if spelled[at].value == _NO_WORD:
            continue
        if word == CUT:
            odd.append(_cut(at))
            spelled[at] = words[at]._replace(value=_NO_WORD)
            continue
        if last := _quoted_to(words, at):
            odd.append(_parted(words, at, last))
            spelled[at] = words[at]._replace(value=_joined(words[at : last + 1]))
            spelled[at + 1 : last + 1] = [one._replace(value=_NO_WORD) for one in words[at + 1 : last + 1]]
            continue
        plain = _plain(word, spelled[at - 1].value if at > first else "")
        if plain == word:
            continue
        spelled[at] = words[at]._replace(value=plain)
        odd.append(
            Fault(
                kind="typography",
                option=word,
                why=Text(
                    f"{word} has marks of a document in it, not of a keyboard: write {plain}",
                    f"{word} 里有从文档复制来的全角或花式符号，应写 {plain}",
                ),
                change=Change((at,), (plain,), Text("marks of a document", "从文档复制来的符号")),
            )
        )
    return spelled, odd


_NO_WORD = "\0"
"""The value of a word that belongs to the one before it."""
_OPENING, _CLOSING = "\u2018\u201c\u300c", "\u2019\u201d\u300d"


def _quoted_to(words: Sequence[Word], at: int) -> int | None:
    """The last word of a text in quotes of a document, where it begins at a word and blanks have parted it."""
    if words[at].value[:1] not in tuple(_OPENING) or words[at].value[-1:] in tuple(_CLOSING):
        return None
    closing = _CLOSING[_OPENING.index(words[at].value[0])]
    for last in range(at + 1, min(at + 9, len(words))):
        if words[last].value.endswith(closing):
            return last
        if words[last].value.startswith("-") or words[last].value[:1] in tuple(_OPENING):
            return None
    return None


def _parted(words: Sequence[Word], at: int, last: int) -> Fault:
    """A text in quotes of a document, which a shell takes for several words."""
    places = tuple(range(at, last + 1))
    typed = " ".join(words[place].value for place in places)
    whole = _joined(words[at : last + 1])
    why = Text(
        f"{typed} has marks of a document in it, not of a keyboard: write '{whole}'",
        f"{typed} 里有从文档复制来的全角或花式符号，应写 '{whole}'",
    )
    change = Change(places, (whole,), Text("marks of a document", "从文档复制来的符号"))
    return Fault(kind="typography", option=typed, why=why, change=change)


def _joined(words: Sequence[Word]) -> str:
    return " ".join(word.value for word in words).strip(_QUOTES)


def _cut(at: int) -> Fault:
    """Blanks behind the backslash that was to continue the line."""
    why = Text(
        "a blank stands behind the \\ at the end of a line: the command ends there, without the lines below",
        "行尾的 \\ 后面有空格：命令在这里就结束了，下面几行不再属于它",
    )
    short = Text("no blank may follow it", "后面不能有空格")
    return Fault(kind="typography", option="\\", why=why, change=Change((at,), (), short))


def _plain(word: str, before: str) -> str:
    """A word as it was meant: dashes, quotes and digits of a keyboard."""
    if word.isascii():
        return word
    bare = word.strip(_QUOTES + "\u00a0\u200b\ufeff\u3000")
    dashes = _DASHES.match(bare)
    if dashes and not bare.startswith("--"):
        short = len(bare[dashes.end() :].split("=")[0]) == 1
        bare = ("-" if short else "--") + bare[dashes.end() :]
    if bare.startswith("--"):
        bare = re.sub("(?<=\\w)[\u00a0\u3000]+(?=[^=])", "=", bare, count=1) if "=" not in bare else bare
        name, equals, value = bare.replace("\uff1d", "=").partition("=")
        return unicodedata.normalize("NFKC", name) + equals + value.strip(_QUOTES)
    number = re.sub("^[\u2010-\u2015\u2212\ufe63\uff0d]", "-", bare).replace("\uff0e", ".")
    return number if re.fullmatch(r"-?[\d.]+", number) else bare


_NEGATIVE = re.compile(r"-\d+$|-\d*\.\d+$")


def _is_option(value: str) -> bool:
    return value.startswith("-") and value != "-" and not _NEGATIVE.match(value) and " " not in value.partition("=")[0]


def _items(words: Sequence[Word], first: int, release: Release) -> Iterator[Item]:
    """The options with their values, as argparse hands words to them."""
    at = first
    while at < len(words):
        value = words[at].value
        if value == _NO_WORD:
            at += 1
            continue
        if value == "--" or not _is_option(value):
            yield Item(None, (at,), (value,), False, words[at].open)
            at += 1
            continue
        head, equals, rest = value.lstrip("-").partition("=")
        if equals:
            yield Item(head, (at,), (rest,), True, words[at].open)
            at += 1
            continue
        option = release.option(head)
        most = _most(option) if option else len(words)
        taken = at + 1
        while taken < len(words) and taken - at <= most and not _is_option(words[taken].value):
            taken += 1
        yield Item(
            head,
            tuple(range(at, taken)),
            tuple(word.value for word in words[at + 1 : taken]),
            False,
            any(word.open for word in words[at:taken]),
        )
        at = taken


def _most(option: Option) -> int:
    if option.switch:
        return 0
    return 10_000 if option.nargs in ("+", "*") else 1


def _judged(item: Item, words: Sequence[Word], release: Release) -> list[Fault]:
    if item.name is None:
        return _stray(item, words, release)
    typed = words[item.at[0]].value.partition("=")[0]
    if not typed.startswith("--") or typed == "--":
        return [] if typed in ("-h",) else [_unknown(item, typed, release)]
    option = release.option(item.name)
    if option is None:
        matching = release.beginning_with(item.name)
        return [_ambiguous(item, typed, matching, release) if matching else _unknown(item, typed, release)]
    return [*_of_option(item, typed, option, release)]


def _stray(item: Item, words: Sequence[Word], release: Release) -> list[Fault]:
    """A word that belongs to no option: the value of a switch, or nothing at all."""
    at, value = item.at[0], item.values[0]
    if unsplit := _unsplit(at, value):
        return [unsplit]
    before = words[at - 1].value
    if item.open or (before == "serve" and not before.startswith("-")):
        return []
    switch = release.option(before.lstrip("-")) if before.startswith("--") else None
    gone: tuple[int, ...] = (at,)
    if switch is not None and switch.switch:
        off = value.lower() in ("false", "0", "no", "off")
        gone = (at - 1, at) if off else (at,)
        why = Text(f"{before} is a switch and takes no value ({value})", f"{before} 是开关，不带值（{value}）")
    else:
        shown = value if value.strip() else f"'{value}'"
        why = Text(f"{shown} belongs to no option", f"{shown} 不属于任何参数")
    return [
        Fault(
            kind="stray",
            option=value if value.strip() else f"'{value}'",
            why=why,
            change=Change(gone, (), Text("a switch takes no value", "开关不带值") if switch else why),
        )
    ]


def _unsplit(at: int, value: str) -> Fault | None:
    """Options in one word: a variable in quotes, which a shell does not split, or one in braces in a unit."""
    parts = tuple(value.split())
    if not value.startswith("--") or len(parts) < _SEVERAL or any(mark in value for mark in "'\"\\"):
        return None
    why = Text(
        f"{value} reaches sglang as one word: an item of a list, a variable in quotes, or ${{NAME}} in a unit is not "
        "split",
        f"{value} 作为一个词传给了 sglang：列表的一项、带引号的变量、unit 里的 ${{NAME}} 都不会拆分",
    )
    return Fault(
        kind="unsplit", option=value, why=why, change=Change((at,), parts, Text("one word each", "各成一个词"))
    )


_SEVERAL = 2


def _words_of(changed: Mapping[str, str], values: Sequence[str]) -> tuple[str, ...]:
    """Options as words; a value that is given as several words stays so."""
    new: list[str] = []
    for name, value in changed.items():
        new += [f"--{name}", *(values if value == " ".join(values) else [value] if value else [])]
    return tuple(new)


def _unknown(item: Item, typed: str, release: Release) -> Fault:
    name = item.name or ""
    instead = nearest(name, " ".join(item.values), release)
    if any(release.options[each].deprecated is not None for each in instead):
        instead = {}
    having = [one.version for one in releases() if name in one.options]
    reason = _meaning(instead)
    en, zh = f"there is no {typed}", f"没有 {typed} 这个参数"
    if instead:
        option = f"--{next(iter(instead))}"
        en, zh = f"{en}; {option} is meant {reason.en}".rstrip(), f"{zh}，应为 {option}{reason.zh}"
    elif having:
        span = having[0] if len(having) == 1 else f"{having[0]} to {having[-1]}"
        en, zh = f"{en} (sglang {span} has it)", f"{zh}（sglang {span.replace(' to ', ' 到 ')} 才有）"
    why = Text(en, zh)
    return Fault(
        kind="unknown",
        option=typed,
        value=" ".join(item.values),
        why=why,
        change=Change(item.at, _words_of(instead, item.values), why),
    )


def _meaning(instead: Mapping[str, str]) -> Text:
    meaning = MEANING.get(next(iter(instead), ""))
    return Text(f"({meaning.en})", f"（{meaning.zh}）") if meaning else Text("", "")


def _ambiguous(item: Item, typed: str, matching: Sequence[str], release: Release) -> Fault:
    names = list(dict.fromkeys(release.options[name].name for name in matching))
    value = " ".join(item.values)
    meant = next((name for name in RENAMED.get(item.name or "", ()) if name in names), None)
    foreign = nearest(item.name or "", value, release) if (item.name or "") in FOREIGN else {}
    switches = all(release.options[name].switch for name in names)
    fitting = [name for name in names if release.options[name].takes(value)]
    meant = meant or (names[0] if switches or len(fitting) > 1 else fitting[0] if fitting else None)
    instead = foreign or ({meant: value} if meant and release.options[meant].takes(value) else {})
    listed = ", ".join(f"--{name}" for name in names[:6])
    why = Text(f"{typed} may be any of {listed}: write one in full", f"{typed} 可能是 {listed} 中的任何一个，要写全")
    certain = foreign or len(fitting) == 1
    return Fault(
        kind="ambiguous",
        option=typed,
        value=value,
        why=why,
        change=Change(item.at, _words_of(instead, item.values), why) if instead and certain else None,
    )


def _of_option(item: Item, typed: str, option: Option, release: Release) -> Iterator[Fault]:
    value = " ".join(item.values)
    if option.retired:
        why = Text(f"{typed} is no longer taken", f"{typed} 已不再接受")
        yield Fault(kind="retired", option=typed, why=why, change=Change(item.at, (), why))
        return
    if option.switch and item.joined:
        off = item.values[0].lower() in ("false", "0", "no", "off")
        why = Text(f"{typed} is a switch and takes no value ({value})", f"{typed} 是开关，不带值（{value}）")
        yield Fault(
            kind="switch", option=typed, value=value, why=why, change=Change(item.at, () if off else (typed,), why)
        )
        return
    if not option.switch and not item.values:
        if option.nargs not in ("?", "*"):
            foreign = item.name in FOREIGN and item.name not in release.options
            yield _unknown(item, typed, release) if foreign else _missing(item, typed, option)
        return
    if not item.open and not option.switch:
        for number, one in enumerate(item.values):
            if not option.takes(one) and not (one == "" and not option.choices and option.type is None):
                yield _wrong(item, number, typed, option)
                return
    yield from _remarks(item, typed, option)


def _missing(item: Item, typed: str, option: Option) -> Fault:
    why = Text(f"no value stands behind {typed}", f"缺少值：{typed}")
    usual = {"host": DEFAULT_HOST, "port": str(DEFAULT_PORT), "api-key": f"${KEY_VARIABLE}"}.get(option.name)
    if option.name == "model-path":
        return Fault(kind="missing", option=typed, why=why)
    return Fault(kind="missing", option=typed, why=why, change=Change(item.at, (typed, usual) if usual else (), why))


def _wrong(item: Item, number: int, typed: str, option: Option) -> Fault:
    """A value that the parser does not take."""
    value = item.values[number]
    at = item.at if item.joined else (item.at[number + 1],)
    if option.choices:
        meant = choice(option.name, value, option.choices)
        listed = ", ".join(option.choices[:12]) + (", ..." if len(option.choices) > 12 else "")
        why = Text(f"{typed} takes {listed}, not {value}", f"{typed} 可取 {listed}，不能是 {value}")
        kind = "choice"
    else:
        meant = as_number(value, "float" if option.type == "float" else "int") if option.type != "json" else None
        meant = meant if meant is not None and option.takes(meant) else None
        noun = {"int": Text("a whole number", "整数"), "float": Text("a number", "数字")}.get(option.type or "")
        noun = noun or (Text("JSON", "JSON") if option.type == "json" else Text("a whole number", "整数"))
        why = Text(f"{typed} takes {noun.en}, not {value}", f"{typed} 要的是{noun.zh}，不能是 {value}")
        kind = "type"
    new = () if meant is None else (f"{typed}={meant}",) if item.joined else (meant,)
    return Fault(kind=kind, option=typed, value=value, why=why, change=None if meant is None else Change(at, new, why))


def _remarks(item: Item, typed: str, option: Option) -> Iterator[Fault]:
    """What is taken and deserves a word."""
    name, value = item.name or "", " ".join(item.values)
    if option.deprecated is not None:
        later = f"; --{option.deprecated}" if option.deprecated else ""
        why = Text(f"{typed} is deprecated{later}", f"{typed} 已弃用{later.replace('; ', '，改用 ')}")
        plain = option.deprecated and re.fullmatch(r"[a-z-]+", option.deprecated)
        head = f"--{option.deprecated}" + (f"={value}" if item.joined else "")
        yield Fault(
            kind="deprecated", option=typed, why=why, change=Change(item.at[:1], (head,), why) if plain else None
        )
    elif name not in (option.name, *option.aliases):
        yield Fault(
            kind="short",
            option=typed,
            why=Text(f"{typed} is short for --{option.name}", f"{typed} 是 --{option.name} 的缩写"),
        )
    if DEFAULTS.get(long_name(option.name)) == value:
        yield Fault(
            kind="default",
            option=typed,
            value=value,
            why=Text(f"{typed} {value} is the default and changes nothing", f"{typed} {value} 就是默认值，没有作用"),
        )


def _twice(items: Sequence[Item], release: Release) -> Iterator[Fault]:
    """Options that are given again with another value, of which the last one wins."""
    last: dict[str, Item] = {}
    for item in items:
        option = release.option(item.name) if item.name else None
        if option is None:
            continue
        before = last.get(option.name)
        if not item.values and not option.switch:
            continue  # a fault of its own
        if before is not None and before.values != item.values and not option.switch:
            old, new = " ".join(before.values), " ".join(item.values)
            why = Text(
                f"--{option.name} is given twice, and the last one wins: {new}, not {old}",
                f"--{option.name} 写了两次，以最后一次为准：{new}，不是 {old}",
            )
            yield Fault(
                kind="overridden", option=f"--{option.name}", value=old, why=why, change=Change(before.at, (), why)
            )
        last[option.name] = item


_EXCLUSIVE = (
    ("enable-hierarchical-cache", "disable-radix-cache"),
    ("enable-tokenizer-batch-encode", "enable-dynamic-batch-tokenizer"),
)
"""Switches that a release refuses together (0.5.3 to 0.5.23); the first of each pair is the one to leave out."""


def _by_name(items: Sequence[Item], release: Release) -> dict[str, Item]:
    """The last item of each option that the release knows."""
    return {option.name: item for item in items if item.name and (option := release.option(item.name)) is not None}


def _exclusive(items: Sequence[Item], release: Release) -> Iterator[Fault]:
    """Switches that exclude each other."""
    given = _by_name(items, release)
    for gone, stays in _EXCLUSIVE:
        if gone in given and stays in given and numbers(release.version) >= _REFUSED_SINCE:
            why = Text(f"--{gone} is not taken together with --{stays}", f"--{gone} 不能与 --{stays} 同时使用")
            yield Fault(kind="exclusive", option=f"--{gone}", why=why, change=Change(given[gone].at, (), why))


_REFUSED_SINCE = (0, 5, 3)


def _pages(items: Sequence[Item], release: Release) -> Iterator[Fault]:
    """A chunk that is no whole number of pages."""
    sizes = _by_name(items, release)
    values = [one.values[0] if (one := sizes.get(name)) and one.values else "" for name in _SIZED]
    if not all(re.fullmatch(r"[1-9]\d{0,8}", value) for value in values):
        return
    chunk, page = map(int, values)
    if chunk % page:
        item, fitting = sizes[_SIZED[0]], str(-(-chunk // page) * page)
        why = Text(
            f"--chunked-prefill-size {chunk} is no multiple of --page-size {page}",
            f"--chunked-prefill-size {chunk} 不是 --page-size {page} 的整数倍",
        )
        new = f"--{_SIZED[0]}={fitting}" if item.joined else fitting
        change = Change(item.at if item.joined else item.at[1:], (new,), why)
        yield Fault(kind="pages", option=f"--{_SIZED[0]}", value=str(chunk), why=why, change=change)


_SIZED = ("chunked-prefill-size", "page-size")


class Verdict(NamedTuple):
    """What the releases that a line may run on make of it."""

    releases: tuple[str, ...]
    faults: tuple[Fault, ...]
    """Those that every one of them has, in the words for the newest."""
    disputed: tuple[Fault, ...] = ()
    """Those that only some of them have."""

    @property
    def refused(self) -> tuple[Fault, ...]:
        """What surely ends the start."""
        return tuple(fault for fault in self.faults if fault.refused)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What mends the faults, where that is known."""
        return tuple(fault.change for fault in self.faults if fault.change is not None and not fault.place)


def verdict(words: Sequence[Word], candidates: Sequence[Release], configured: Configured | None = None) -> Verdict:
    """The faults of a line by the releases that it may run on."""
    by_release = [faults(words, release, configured) for release in candidates]
    keys = [{_key(fault) for fault in one} for one in by_release]
    newest = by_release[-1]
    common = tuple(fault for fault in newest if all(_key(fault) in one for one in keys))
    other = {
        _key(f): f for one in by_release for f in one if not all(_key(f) in each for each in keys) and not f.harmless
    }
    return Verdict(tuple(release.version for release in candidates), common, tuple(other.values()))


def cut_off(one: Written) -> tuple[Fault, ...]:
    """The options that stand below a line and do not belong to it."""
    return tuple(
        Fault(
            kind="cut-off",
            option=each.typed,
            value=str(each.line),
            why=Text(
                f"line {each.line} is a command of its own: a remark or an empty line has ended the one above it",
                f"第 {each.line} 行成了单独的一条命令：上面的注释或空行把命令截断了",
            ),
        )
        for each in one.cut_off
    )


_OF_A_SHELL = frozenset({"&&", "||", "|", ">", ">>", "2>&1", "&"})
"""Words that mean something to a shell alone."""
_BUILT_IN = frozenset({"source", ".", "cd", "export", "ulimit", "set"})
"""Commands that are no programs."""


def without_shell(one: Written) -> tuple[Fault, ...]:
    """What only a shell understands in a command that systemd or supervisord runs without one."""
    if one.form not in (Form.SYSTEMD, Form.SUPERVISOR) or not one.words:
        return ()
    values = [word.value for word in one.words]
    first = values[0].lstrip("-@:+!")
    mark = first if first in _BUILT_IN else next((value for value in values if value in _OF_A_SHELL), None)
    if mark is None or first.rpartition("/")[2] in ("sh", "bash", "dash", "zsh"):
        return ()
    runs = one.form.value.split()[0]
    why = Text(
        f"{runs} runs a command without a shell, to which alone {mark} means something",
        f"{runs} 不经过 shell 执行命令，而 {mark} 只有 shell 才认识",
    )
    return (Fault(kind="shell", option=mark, why=why),)


def hidden_options(words: Sequence[Word], release: Release) -> str | None:
    """The first word of a line that may hold options, and is not known; None where there is none."""
    items = _items(words, first_argument([word.value for word in words]), release)
    return next((item.values[0] for item in items if item.name is None and item.open), None)


def _key(fault: Fault) -> tuple[str, str, str]:
    return "refused" if fault.refused else fault.kind, f"{fault.place} {fault.option}", fault.value


def mended(words: Sequence[Word], changes: Sequence[Change]) -> list[str]:
    """The words of a line as the program gets them once it is corrected."""
    gone = {at: change for change in changes for at in change.at}
    values: list[str] = []
    for at, word in enumerate(words):
        if at not in gone:
            values.append(word.value)
        elif gone[at].at[0] == at:
            values += gone[at].new
    return values + [value for change in changes if not change.at for value in change.new]


def with_options(
    words: Sequence[Word], changes: Sequence[Change], wanted: Mapping[str, tuple[str | None, Text]], release: Release
) -> tuple[Change, ...]:
    """The changes and those that give options these values, `""` for a switch, None for one to leave out."""
    all_changes = list(changes)
    first = first_argument([word.value for word in words])
    items = list(_items(_typography(words, first)[0], first, release))
    for name, (value, reason) in wanted.items():
        own = [item for item in items if _named(item, name, release)]
        taken = {at for item in own for at in item.at}
        all_changes = [change for change in all_changes if not taken & set(change.at)]
        new = (f"--{name}", *([value] if value else []))
        before = next((n for n, change in enumerate(all_changes) if f"--{name}" in change.new), None)
        if value is None:
            all_changes += [Change(item.at, (), reason) for item in own]
            if before is not None:
                all_changes[before] = all_changes[before]._replace(new=())
        elif own:
            item = own[-1]
            all_changes += [Change(extra.at, (), reason) for extra in own[:-1]]
            if item.joined:
                all_changes.append(Change(item.at, (f"--{name}={value}",), reason))
            elif value:
                all_changes.append(Change(item.at[1:] or item.at, (value,) if item.values else new, reason))
        elif before is not None:
            all_changes[before] = all_changes[before]._replace(new=new)
        else:
            all_changes.append(Change((), new, reason))
    return tuple(all_changes)


def _named(item: Item, name: str, release: Release) -> bool:
    option = release.option(item.name) if item.name else None
    return option is not None and long_name(option.name) == long_name(name)


def keys(words: Sequence[Word]) -> tuple[int, ...]:
    """The words that hold a key."""
    places = []
    for at, word in enumerate(words):
        head, equals, value = word.value.partition("=")
        if long_name(head.lstrip("-")) in ("api-key", "admin-api-key") and head.startswith("--"):
            if equals and value:
                places.append(at)
            elif not equals and at + 1 < len(words) and not words[at + 1].value.startswith("--"):
                places.append(at + 1)
    return tuple(places)
