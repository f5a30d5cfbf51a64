"""The checks: values in, results out."""
