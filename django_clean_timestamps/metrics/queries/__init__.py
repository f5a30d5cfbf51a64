"""What the pages, the machine views and the exporters read."""
