"""A run: the catalogue of rows, what collectors share, and the engine that judges."""
