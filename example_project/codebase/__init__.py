"""Repositories and their files, fed with the edit history of a real repository."""
