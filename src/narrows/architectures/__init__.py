"""Architectures: the layers of encoder and decoder.

An architecture decides how many layers there are, of which kind and width; `build` returns the
blocks of the encoder down to the code, and of the decoder back up. A block maps flat rows,
(n_samples, n_in) to (n_samples, n_out), whatever it thinks of inside, and draws its weights from
the generator it is given. What it says of itself beyond `forward` makes it faster, never different.

Choose `Dense` for tables, `Convolutional` for images and signals, `Recurrent` for sequences, and
`Modules` for torch modules of your own.
"""
