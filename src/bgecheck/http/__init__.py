"""The door to HTTP: httpx over a network backend that keeps one deadline for a whole request."""
