"""The example project's settings, addresses and server entry points."""
