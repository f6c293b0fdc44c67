"""Does a server hold: samples taken over time, what they show, and who is told."""
