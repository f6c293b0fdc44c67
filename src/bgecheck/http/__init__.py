"""The doors to a server over HTTP, whatever engine answers."""
