"""Document mode: clients change a view by documents beside its copy."""
