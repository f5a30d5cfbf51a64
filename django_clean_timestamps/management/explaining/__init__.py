"""One entity's story, told by ``timestamps_explain``."""
