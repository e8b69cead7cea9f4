"""Two sources as Cloud Functions gets them, of one event function each: with the package, and by hand."""
