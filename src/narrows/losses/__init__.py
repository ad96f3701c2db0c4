"""Losses: how a reconstruction is compared with its row.

A loss decides what a cell's error costs; `cells` returns one number for each cell, and the
objective sums them over features and averages over samples. Missing cells count nothing, and the
columns of a view, or of another type than numbers, may have a loss of their own (`columnwise`).
A loss may say its derivative in closed form; training then needs no autograd.

Choose `SquaredError` for most tables, `Huber`, `AbsoluteError` or `Correntropy` where there are
outliers, `CrossEntropy` for data in [0, 1], `Emphasis` for denoising.
"""
