"""A small task tracker: projects, their tasks, and comments on them."""
