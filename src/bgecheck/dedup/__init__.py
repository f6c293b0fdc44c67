"""Semantic de-duplication: a text is kept unless its cosine similarity to one already kept exceeds a threshold."""
