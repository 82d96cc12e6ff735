"""Layers of many steps as textbooks write them, step by step."""

from chainrule.explain.unfolding.unfold import unfolded

__all__ = ["unfolded"]
