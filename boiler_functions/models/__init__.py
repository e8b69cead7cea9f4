"""Models of documents: typed attributes, models with a path, and the sessions that read and write them."""
