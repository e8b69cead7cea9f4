"""What documents are: typed attributes, models with a path, and the sessions that read and write them."""
