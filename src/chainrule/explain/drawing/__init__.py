"""Drawings of networks and graphs as SVG."""

from chainrule.explain.drawing.draw import Drawing, draw

__all__ = ["Drawing", "draw"]
