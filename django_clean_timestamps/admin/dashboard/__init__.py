"""The dashboard in the admin: how writing and delivering goes, why not, and since when."""
