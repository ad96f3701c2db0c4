"""What to do with a table before the first fit."""
