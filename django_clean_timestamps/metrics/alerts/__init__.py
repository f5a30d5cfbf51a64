"""Alerts: the rules, what figures mean by them, and what becomes of that over time. Values in, values out."""
