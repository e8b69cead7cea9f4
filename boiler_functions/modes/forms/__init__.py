"""Forms: documents that clients write, each of which takes effect exactly once. Tasks and mutations are forms."""
