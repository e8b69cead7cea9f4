"""How what was built is committed: Query rebuilds views, Query+Task lets an input document take effect once."""
