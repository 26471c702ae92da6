"""Datasets: their files, checks, splits and slices, and a synthetic cohort."""
