"""Schedules: the phases in which a network is trained.

A schedule decides which layers are trained when, and on what; `phases` splits one phase, the
training of all layers, into its own, each made when the one before has been trained.

Choose `Joint` in general, `Layerwise` for deep stacks, `Decomposition` where the rows have gross
errors.
"""
