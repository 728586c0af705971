"""The journey of a pathway as a picture (SVG): from the intake screen to the last follow-up.

A module of our own rather than a graph library: the picture is one column with branches to the right, always in the
same order; what takes care is that text fits its box whatever is written, and that the same pathway gives the same
bytes. The writers (svgwrite, drawsvg) measure no text, and the layouters need a program that is no Python wheel.
"""

from pathways.diagram.journey import diagram

__all__ = ["diagram"]
