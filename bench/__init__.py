"""Measurements: what a journey costs, and how fast an action is answered."""
