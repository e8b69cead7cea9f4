"""Task mode: each input document takes effect exactly once."""
