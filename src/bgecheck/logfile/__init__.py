"""Files to lines: rotation, compression, encodings, wrappers; no engine."""
