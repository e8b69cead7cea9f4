"""Document mode: clients change a view by creating documents beside its copies."""
