"""Figures, each drawn from a tidy table or small arrays alone: one file per family."""
