"""The file `bgecheck.toml`: where it is found, what it may hold, and what its values mean."""
