"""The curves as a picture, PNG or SVG, drawn by matplotlib (the extra `plot`)."""

from __future__ import annotations

from bgecheck.benching.benching import Bench
from bgecheck.model import BadInput, Text

ENDINGS = (".png", ".svg")


def require_plot(path: str) -> None:
    """Refuse before the run what could not be drawn after it. Raises `BadInput`."""
    if not path.lower().endswith(ENDINGS):
        raise BadInput(
            f"--plot {path}",
            Text("not the name of a PNG or SVG", "不是 PNG 或 SVG 文件名"),
            Text(
                "name it curve.png or curve.svg; a page is written with --html",
                "写成 curve.png 或 curve.svg；网页用 --html",
            ),
        )
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise BadInput(
            f"--plot {path}",
            Text("matplotlib is not installed", "没有安装 matplotlib"),
            Text(
                "pip install 'bgecheck[plot]', or write a page with --html",
                "pip install 'bgecheck[plot]'，或用 --html 写成网页",
            ),
        ) from None


def write_plot(bench: Bench, path: str) -> None:
    """Draw throughput over p50 and p99, a line for each batch size. Raises `OSError`.

    Its labels are English in both languages: the fonts of matplotlib have no Chinese characters.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    usable = [one for one in sorted(bench.results.values(), key=lambda one: one.setting) if one.is_usable]
    figure = Figure(figsize=(11, 5), layout="tight")
    FigureCanvasAgg(figure)
    for place, (name, share) in enumerate((("p50", 0.5), ("p99", 0.99))):
        axes = figure.add_subplot(1, 2, place + 1)
        for size in sorted({one.setting.batch for one in usable}):
            points = [one for one in usable if one.setting.batch == size]
            latencies = [1000 * one.quantile(share) for one in points]
            axes.plot(latencies, [one.rate for one in points], marker="o", label=f"batch {size}")
        axes.set_xscale("log")
        # Powers of ten, as matplotlib writes them, overlap where latencies span less than two of them.
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(bottom=0)
        axes.set_xlabel(f"{name} of a request, ms")
        axes.set_ylabel("texts/s")
        axes.grid(alpha=0.3)
    if usable:
        figure.axes[0].legend(loc="lower right")
    figure.suptitle(f"{bench.tokens:.0f} tokens a text on average")
    figure.savefig(path, format=path[-3:].lower(), metadata={"Date": None} if path.lower().endswith(".svg") else {})
