"""Published embedding models and thresholds, with their sources."""
