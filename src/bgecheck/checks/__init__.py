"""The areas: what is collected, and the rows that judge it. An area never imports another area."""
