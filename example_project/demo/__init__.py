"""The demonstration: everything in one command, and a check that it works."""
