"""Right timestamps and domain events for Django models, on every write path."""
