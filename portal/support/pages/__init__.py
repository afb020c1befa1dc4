"""Pages of the desk that are more than a list or a form of one model."""
