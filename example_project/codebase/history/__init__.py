"""Edit histories, and their replay through the entities."""
