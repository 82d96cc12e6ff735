"""Derivations, traces, drawings, and checks of claims."""
