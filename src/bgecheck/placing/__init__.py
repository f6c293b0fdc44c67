"""Several models on one machine: their cards, ports and memory shares, and the files that start and route to them."""
