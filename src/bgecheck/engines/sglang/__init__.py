"""sglang: command line, options by release, pages, log."""
