"""Query mode: a stored view is rebuilt whenever a document that it read changes."""
