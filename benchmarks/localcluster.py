"""A true Ray cluster on this machine: several nodes, each with processes of its own, bounded and without a network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

MEMORY = 400 * 2**20
"""Bytes of the object store of a node, in /dev/shm, which are taken as they are used."""

BLOCK_BYTES = 8 * 2**20
"""Of a dataset's blocks at most: Ray Data starts nothing where a node has no room for some blocks of this size."""

VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_DEDUP_LOGS": "0",
    "RAY_agent_register_timeout_ms": "120000",  # a busy machine starts slowly
    "RAY_health_check_timeout_ms": "30000",
    "RAY_worker_niceness": "0",  # 15 otherwise, at which a worker on a busy machine gets no turn at all
}


@contextmanager
def nodes(*cpus: int, memory: int = MEMORY) -> Iterator[Any]:
    """A head node without a CPU, where the driver is, and a node for each of `cpus`; all end with the context.

    Every node listens at a loopback address of its own (Linux has a whole network of them), so that they are as apart
    as machines are; the dashboard is off. Gives the `ray.cluster_utils.Cluster`.
    """
    os.environ.update(VARIABLES)
    import ray
    from ray.cluster_utils import Cluster

    common = {"object_store_memory": memory, "include_dashboard": False}
    head = {**common, "num_cpus": 0, "node_ip_address": "127.0.0.2"}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for number, count in enumerate(cpus, 3):
            cluster.add_node(num_cpus=count, node_ip_address=f"127.0.0.{number}", **common)
        ray.init(address=cluster.address, _node_ip_address="127.0.0.2", log_to_driver=False, logging_level="error")
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars, context.target_max_block_size = False, BLOCK_BYTES
        yield cluster
    finally:
        with suppress(Exception):  # of a cluster that has lost a node
            ray.shutdown()
        cluster.shutdown()
