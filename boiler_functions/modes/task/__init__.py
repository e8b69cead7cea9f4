"""Task mode: each form, a document that a client writes, takes effect exactly once."""
