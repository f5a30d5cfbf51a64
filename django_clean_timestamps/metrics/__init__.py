"""How long writes and handlers take, how often they fail, and who is told."""
