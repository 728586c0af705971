"""Vignettes played: each through the real journey, with its clock moved, in a clinic of its own."""
