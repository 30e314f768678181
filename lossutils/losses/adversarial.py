"""Losses: adversarial."""

__all__ = []
