"""Penalties: terms of the objective beside the reconstruction loss, for regularization.

A penalty decides what else than a good reconstruction is wanted; it is called with the whole
`ForwardPass` and returns one number, a mean over samples, which the objective multiplies by its
weight. The history has it by name; penalties add up with ``+``. A penalty may play against a
critic, look at classes, or look at all rows before training; it says so with a flag.

Choose `WeightDecay` against overfitting, `Sparsity` for few active units, `Contraction` for a code
that noise hardly moves, `KL`, `MMD` or `Adversarial` for codes that follow a prior, `Neighbors` for
a map and `Distances` for one that keeps them, `Independence` for a code without the covariates.
"""
