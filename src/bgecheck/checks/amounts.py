"""Sizes of files and memory as rows write them."""


def amount(size: float) -> str:
    """Bytes in the unit that leaves a short number, by powers of 1000 as `ls --si` and the hubs have them."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.2f} GB" if size < 100 else f"{size:.0f} GB"
