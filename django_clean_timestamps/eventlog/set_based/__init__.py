"""Events of many rows, made in the database by INSERT … SELECT, by the technique of each."""
