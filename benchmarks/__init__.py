"""What a view costs, side by side with what a competent user would write by hand: `python -m benchmarks`."""
