"""The modes, each a way to put a view to use, and what they share."""
