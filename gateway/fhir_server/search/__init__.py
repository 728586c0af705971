"""Searching: parameters on an allow-list, held against columns of our views."""
