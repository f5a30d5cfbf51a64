"""The same writes through other packages; an app of its own, installed by ``--peers`` alone."""
