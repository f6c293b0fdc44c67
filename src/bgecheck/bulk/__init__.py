"""Embeds a whole file of texts: in batches that a server takes, at its own pace, and so that nothing is lost."""
