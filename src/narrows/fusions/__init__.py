"""Fusions: where several views meet in one code.

A fusion decides which layers each view has for itself and which see all of them; `build_layers`
returns the blocks. Where each view has a posterior of its own, `fuse` makes one of them, and a view
may be missing altogether. It is the one axis that knows both architectures and latents.

Choose `Intermediate` in general, `Early` for views of few columns, `SharedPrivate` to tell what is
common from what is not, the experts where whole views are missing.
"""
