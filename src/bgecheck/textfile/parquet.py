"""The door to Parquet, through pyarrow (the extra `parquet`): one column of texts, a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NoReturn

from bgecheck.model import Text, clean
from bgecheck.textfile.columns import chosen, listed
from bgecheck.textfile.record import Record
from bgecheck.textfile.refusal import refuse

MARK = b"PAR1"
"""How a Parquet file begins."""

_ROWS = 1024
"""Rows that are in memory at once."""


def required(name: str) -> Any:
    """The modules of pyarrow, as `(pyarrow, pyarrow.parquet)`. Raises `BadInput` where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        refuse(
            name,
            Text("Parquet needs pyarrow, which is not installed", "Parquet 需要 pyarrow，但没有安装"),
            Text("install it: pip install 'bgecheck[parquet]'", "安装：pip install 'bgecheck[parquet]'"),
        )
    return pyarrow, pyarrow.parquet


def column(file: BinaryIO, name: str, wanted: str | None) -> str:
    """The column of strings that holds the texts. Raises `BadInput` where it is not there, or holds something else."""
    arrow, _ = required(name)
    schema = _opened(file, name).schema_arrow
    strings = [field.name for field in schema if _is_string(arrow, field.type)]
    picked = chosen(name, strings if wanted is None and len(strings) == 1 else schema.names, wanted)
    if picked not in strings:
        kind, shown = clean(str(schema.field(picked).type), 60), clean(picked, 60)
        refuse(
            name,
            Text(f"the column {shown} holds {kind}, not strings", f"列 {shown} 的类型是 {kind}，不是字符串"),
            _other_column(strings),
        )
    return picked


def _other_column(strings: Sequence[str]) -> Text:
    """What to do where the column holds no strings: another one, or, where none does, a file with one."""
    if not strings:
        return Text(
            "no column of it holds strings: write the texts as a column of strings, a nested field as one of its own",
            "没有一列是字符串：导出时把文本写成字符串列，嵌套字段先展开成单独的列",
        )
    shown = listed(strings)
    return Text(f"choose with --column: {shown}", f"用 --column 选择：{shown}")


def count(file: BinaryIO, name: str) -> int:
    """Its rows, by its own footer."""
    rows: int = _opened(file, name).metadata.num_rows
    return rows


def records(file: BinaryIO, name: str, wanted: str) -> Iterator[Record]:
    """The texts of a column. Raises `BadInput` for a file that is damaged."""
    arrow, _ = required(name)
    number = 0
    opened = _opened(file, name)
    try:
        for batch in opened.iter_batches(batch_size=_ROWS, columns=[wanted]):
            for value in batch.column(0).to_pylist():
                yield Record(number, number + 1, value or "", "no-value" if value is None else None, unit="row")
                number += 1
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        _damaged(name, error)


def _opened(file: BinaryIO, name: str) -> Any:
    arrow, library = required(name)
    file.seek(0)
    try:
        return library.ParquetFile(file)
    except (arrow.ArrowException, OSError) as error:
        _damaged(name, error)


def _is_string(arrow: Any, kind: Any) -> bool:
    types = arrow.types
    inner = kind.value_type if types.is_dictionary(kind) else kind
    kinds = ("is_string", "is_large_string", "is_string_view")  # the last one is not there before pyarrow 16
    return any(getattr(types, kind)(inner) for kind in kinds if hasattr(types, kind))


def _damaged(name: str, error: Exception) -> NoReturn:
    why = clean(str(error).splitlines()[0] if str(error) else type(error).__name__, 120)
    refuse(
        name,
        Text(f"not a whole Parquet file: {why}", f"不是完整的 Parquet 文件：{why}"),
        Text("write it anew", "重新导出"),
    )
