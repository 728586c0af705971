"""The commands, a module for each group of them; `continuum/cli.py` puts them together."""
