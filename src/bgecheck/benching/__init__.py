"""How fast a server is: load of every batch size and concurrency, what was measured, and what follows from it."""
