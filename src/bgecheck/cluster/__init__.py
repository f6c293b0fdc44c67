"""Beyond one machine: the same embedder and the same rule of de-duplication on a cluster of Ray (the extra `ray`)."""
