"""The options of `bgecheck embed` that name a vector store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bgecheck.cli.blank import not_blank
from bgecheck.model import BadInput, Text

if TYPE_CHECKING:
    from bgecheck.stores.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """Which store is compared, and where its texts are."""

    check_store: str | None = None
    text_field: str | None = None

    def require_none(self, beside: str) -> None:
        """Raise `BadInput` where a store was named beside an option with which it means nothing."""
        if self.check_store is not None or self.text_field is not None:
            option = "--check-store" if self.check_store is not None else "--text-field"
            raise BadInput(
                f"{beside} {option}",
                Text("they exclude each other", "两者不能同时使用"),
                Text("embed the file first, then check the store", "先给文件编码，再检查向量库"),
            )


def named_store(options: StoreOptions) -> Address | None:
    """The store that was named, whose library is here; None without one. Raises `BadInput`."""
    from bgecheck.stores.address import parse
    from bgecheck.stores.libraries import require

    if options.check_store is None:
        if options.text_field is not None:
            raise BadInput(
                f"--text-field {options.text_field}",
                Text("it belongs to a vector store", "它只用于向量库"),
                Text("name the store with --check-store URI", "用 --check-store URI 指定向量库"),
            )
        return None
    if options.text_field is not None:
        not_blank("--text-field", options.text_field)
    address = parse(options.check_store, options.text_field)
    require(address)
    return address
