"""Optimizers: how a step moves the weights.

An optimizer is a spec with settings; `build` makes a torch optimizer for some parameters at a base
rate. It says whether it takes all rows in one step, and whether it looks at shapes.

Choose "auto" in general, `LBFGS` for small tables and smooth objectives, `Muon` for wide layers,
any class of `torch.optim` for what is not here.
"""
