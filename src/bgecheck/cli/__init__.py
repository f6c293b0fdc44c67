"""The command line: options become settings, a report becomes text, and only here the program exits."""
