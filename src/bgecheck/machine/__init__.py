"""The doors to this machine: its processes, and what they may use of it."""
