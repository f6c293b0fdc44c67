"""Embeds and de-duplicates a folder of Parquet with the columns `number` and `text` on a Ray cluster.

usage: cluster_embed.py IN OUT URL...          (run on the cluster: ray job submit -- python cluster_embed.py ...)
"""

from __future__ import annotations

import sys

import ray
import ray.data

from bgecheck.cluster.deduplication import deduplicated
from bgecheck.cluster.embedding import embedded, targets_of


def main(source: str, out: str, *urls: str) -> None:
    """Vectors into OUT/vectors; what is kept, without its near copies, into OUT/kept."""
    ray.init()
    texts = ray.data.read_parquet(source, columns=["number", "text"])
    # Twice as many workers as servers keep these busy; all of them together send a server no more than it takes.
    vectors = embedded(texts, targets_of(urls), workers=2 * len(urls))
    vectors.write_parquet(f"{out}/vectors")
    with_vector = ray.data.read_parquet(f"{out}/vectors").filter(lambda row: row["reason"] == "")
    marked = deduplicated(with_vector, 0.9)
    marked.filter(lambda row: row["outcome"] != "dropped").write_parquet(f"{out}/kept")


if __name__ == "__main__":
    main(*sys.argv[1:])
