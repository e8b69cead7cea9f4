"""Measures what a view costs, next to code that a competent user would write by hand: `python -m benchmarks`."""
