"""Deployment diagnostics for embedding models served by sglang."""

__version__ = "0.1.0"
