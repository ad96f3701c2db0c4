"""Objective and gradients of networks of dense blocks, with no more autograd than needed.

Small convolutions are dense blocks whose matrices repeat the kernels (`Block.unrolled`).

Where nothing is between encoder and decoder, and terms are of the weights, none. Where no term
looks at what the decoder makes of the code (`Objective.loss_is_apart`), none either if latent and
terms say what their slopes are, and else autograd records what happens to the code alone: latent
and terms. Where one does, it sees each stack of blocks as one function, and records the loss, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from narrows.architectures.block import AffineBlock, LocalJacobian
from narrows.core.forward_pass import CodeSlopes, ForwardPass
from narrows.core.group import Pool
from narrows.data.table import Batch, Table
from narrows.network.network import Network
from narrows.network.objective import Objective, Value
from narrows.training.compiled import dense_program
from narrows.training.compiled.dense_program import BlockChain, Place
from narrows.training.compiled.flat_parameters import FlatParameters
from narrows.training.compiled.input_rows import InputRows

MakePass = Callable[[Tensor], ForwardPass]  # of what the heads give

SIZES = 4  # numbers of rows whose buffers are kept: whole batches, the last one, pieces of both


class DenseGradients:
    """Computes what `Objective` and autograd give for a network, into flat gradients.

    Parameters
    ----------
    network : Network
        Whose blocks `reason` has nothing against.
    objective : Objective
        What is minimised.
    flat : FlatParameters
        The network's parameters, held while this is used.
    dtype : torch.dtype
        Of the products: that of the parameters, or bfloat16.
    table : Table, optional
        The rows that are trained on, where the encoder sees them as they are.
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        flat: FlatParameters,
        dtype: torch.dtype,
        table: Table | None = None,
    ) -> None:
        self.network = network
        self.objective = objective
        self.flat = flat
        self.input_layer = network.input_layer
        self.input_rows = None if table is None else InputRows.of(self.input_layer, table, dtype)
        self.has_vectors = self.input_layer is not None and self.input_layer.has_vectors
        # Among covariates vectors go to the decoder, too, and autograd has to see how.
        self.loss_is_apart = objective.loss_is_apart(network.link) and not (
            self.has_vectors and network.n_covariates
        )
        self.has_closed_form = (
            self.loss_is_apart and network.hands_codes_on and objective.of_weights
        )
        self.is_written = self.has_closed_form and not self.has_vectors  # all of the gradient
        plain = self.has_closed_form and self.input_layer is None
        # Losses of groups of columns copy where these stand to the device in each step.
        self.recordable = plain and objective.loss.has_closed_form
        self.encoder, self.decoder = _stacks(network)
        self.apart = not _parameters(self.encoder) & _parameters(self.decoder)
        self.by_stacks = self.loss_is_apart and self.apart and self._is_of_stacks()
        self._look_at_slopes(clean=table is not None)
        self.coarse = dtype != flat.vector.dtype
        self.is_plain = plain and not self.coarse and not objective.terms
        self._vector, self._gradient = flat.vector.data, flat.gradient
        if self.coarse:
            self._vector, self._gradient = self._vector.to(dtype), self._gradient.to(dtype)
            self._collected = torch.empty_like(flat.gradient)
        self._places = {
            id(parameter): Place(value, gradient)
            for parameter, value, gradient in zip(
                flat.parameters,
                flat.parts(self._vector),
                flat.parts(self._gradient),
                strict=True,
            )
        }
        self._tapes: dict[int, _Buffers] = {}

    def _look_at_slopes(self, *, clean: bool) -> None:
        """Find out which slopes are known: of the layers, if rows are ``clean``, and of terms."""
        # Of the heads the first, which is the mean, is looked at.
        alone = all(len(block.parts) == 1 for block in self.encoder[:-1])
        chain = self.network.has_local_jacobian and alone and all(map(_of_matrix, self.encoder))
        bent = [not block.parts[0].activation.in_pieces for block in self.encoder]
        self.straight = chain and not any(bent)
        local = chain and clean
        self.has_slopes = (
            self.loss_is_apart
            and self.network.has_head_slopes
            and self.objective.slopes_fit(self.network, local)
        )
        # Whose slopes a term may look at.
        looks = self.has_slopes and local and self.objective.follows_rows
        self.bent = [number for number, own in enumerate(bent) if own and looks]

    def _is_of_stacks(self) -> bool:
        """Return whether each gradient comes from the stacks alone, to be written and not added."""
        everything = _parameters([*self.encoder, *self.decoder])
        own = {id(parameter) for parameter in self.flat.parameters}
        return self.objective.weight_free and everything == own

    def buffer(self, n_rows: int, *, corrupted: bool) -> Tensor:
        """Return where the clean rows of a batch may be written, shape (n_rows, n_features)."""
        tape = self._tape(n_rows)
        if not (self.coarse or corrupted or self.input_layer is not None):
            return tape.x  # what the encoder sees
        if tape.clean is None:
            layer = self.input_layer
            width = tape.x.shape[1] if layer is None else layer.n_in
            tape.clean = self.flat.vector.data.new_empty(n_rows, width)
        return tape.clean

    def backward(
        self,
        batch: Batch,
        seen: Tensor | None,
        visible: Tensor | None,
        *,
        share: float,
        progress: float,
        generator: torch.Generator,
        first: bool,
        pool: Pool | None = None,
        rows: Tensor | None = None,
    ) -> tuple[Value, ForwardPass | None]:
        """Add the gradients of a batch, or put them where the last step's are if it is the first.

        Parameters
        ----------
        batch : Batch
            The clean rows.
        seen, visible : Tensor of shape (n_samples, n_features) or None
            What the encoder sees instead of the clean rows, and which cells it may look at.
        share : float
            What the batch is of all rows of the step; the gradients are multiplied by it.
        progress : float
            Share of the training that is done.
        generator : torch.Generator
            Where codes are drawn from.
        first : bool
            Whether gradients that are there belong to the last step.
        pool : Pool, optional
            Knows the parts of the batch that other processes have.
        rows : int64 Tensor of shape (n_samples,), optional
            The numbers of the rows in the table.

        Returns
        -------
        value : Value
            The total times the share, and the parts.
        forward : ForwardPass or None
            What critics look at; None where there can be none.
        """
        tape = self._tape(len(batch.x))
        x_corrupted = batch.x if seen is None else seen
        inputs = self._inputs(tape, x_corrupted, visible, rows)
        if self.coarse:
            self._vector.copy_(self.flat.vector.data)
        if first and not (self.by_stacks or self.is_written):
            self.flat.gradient.zero_()
        if self.has_closed_form:
            return self._direct(tape, batch, x_corrupted, share, progress, first=first), None
        if self.coarse and not self.by_stacks:
            self._gradient.zero_()
        clean = x_corrupted is batch.x and (self.straight or self.has_slopes)
        near = partial(self._jacobian, tape) if clean and self.loss_is_apart else None
        make = partial(
            self._pass, batch, x_corrupted, visible, progress, generator, pool, rows, near
        )
        if self.has_slopes:
            value, forward = self._through_code(tape, batch, share, make, visible, first=first)
        elif self.loss_is_apart:
            value, forward = self._around_code(tape, batch, share, make, first=first)
        else:
            value, forward = self._by_objective(tape, inputs, share, make)
        if self.coarse:
            self._collect(first=first and self.by_stacks)
        return value, forward

    def _inputs(
        self, tape: _Buffers, seen: Tensor, visible: Tensor | None, rows: Tensor | None
    ) -> Tensor:
        """Return what the blocks see, having put it where they look."""
        if self.input_layer is None:
            inputs = seen
        elif self.input_rows is not None and rows is not None and self.input_rows.put(rows, tape.x):
            inputs = tape.x
        else:
            with torch.set_grad_enabled(not self.loss_is_apart):
                inputs = self.input_layer(seen, visible)
        if inputs is not tape.x:
            tape.x.copy_(inputs.detach())
        return inputs

    def of_plain(self, table: Table, rows: Tensor) -> Tensor:
        """Put the gradients of clean rows where those of the last step are; return the loss.

        What `backward` does for a whole step `is_plain`, with nothing to decide on the way.
        """
        tape = self._tape(rows.shape[0])
        chain = tape.whole
        batch = table.take(rows, tape.x)
        chain.forward()
        loss, slopes = self.objective.loss_and_gradient(
            chain.y, batch, tape.x, self.network.link, 1.0, chain.grad_y
        )
        chain.backward(slopes, fresh=True)
        return loss

    def _direct(
        self,
        tape: _Buffers,
        batch: Batch,
        seen: Tensor,
        share: float,
        progress: float,
        *,
        first: bool,
    ) -> Value:
        tape.whole.forward()
        loss, slopes = self._loss(tape, tape.whole, batch, seen, share)
        tape.whole.backward(slopes, fresh=first or self.coarse, to_x=self.has_vectors)
        if self.coarse:
            self._collect(first=first and self.is_written)
        self._to_vectors(tape.whole, seen)
        if not self.objective.terms:
            return Value(loss, [loss if share == 1 else loss / share])
        terms = self.objective.add_term_gradients(self.network, progress, share)
        parts = [loss / share, *terms]
        return Value(torch.stack(parts).sum() * share, parts)

    @torch.no_grad()
    def _through_code(
        self,
        tape: _Buffers,
        batch: Batch,
        share: float,
        make: MakePass,
        visible: Tensor | None,
        *,
        first: bool,
    ) -> tuple[Value, ForwardPass]:
        """Take the loss down to the code, and with the slopes of terms on to the weights."""
        dtype = self.flat.vector.dtype
        tape.encoder.forward()
        forward = make(tape.encoder.y.to(dtype))
        loss, slope, fresh = self._to_code(tape, batch, forward, share, first=first)
        for pull in tape.pulls.values():
            pull.zero_()
        values, slopes = self.objective.values_and_slopes(forward, share)
        of_heads = self.network.head_slopes(
            forward.posterior, forward.code, slopes + CodeSlopes(code=slope), visible
        )
        self._to_encoder(tape, of_heads, forward, fresh=fresh)
        if share == 1:
            return Value(sum(values, loss), [loss, *values]), forward
        return Value(sum(values) * share + loss, [loss / share, *values]), forward

    def _to_code(
        self, tape: _Buffers, batch: Batch, forward: ForwardPass, share: float, *, first: bool
    ) -> tuple[Tensor, Tensor, bool]:
        """Return the loss, its derivative by the code, and whether no gradient was there before."""
        decoded = self.network.decoded_from(forward.code, forward.covariates)
        tape.decoder.x.copy_(decoded)
        tape.decoder.forward()
        loss, slopes = self._loss(tape, tape.decoder, batch, forward.x_corrupted, share)
        fresh = self.apart and (first or self.coarse)  # nothing has gone there yet
        tape.decoder.backward(slopes, fresh=fresh, to_x=True)
        slope = tape.decoder.grad_x[:, : forward.code.shape[1]].to(self.flat.vector.dtype)
        return loss, slope, fresh

    def _to_encoder(
        self, tape: _Buffers, of_heads: Tensor, forward: ForwardPass, *, fresh: bool
    ) -> None:
        """Take derivatives by the heads down to the weights."""
        # To these parameters terms that look at weights may have brought theirs above.
        fresh = fresh and (self.coarse or self.by_stacks)
        tape.encoder.backward(of_heads, fresh=fresh, to_x=self.has_vectors)
        self._to_vectors(tape.encoder, forward.x_corrupted)

    def _around_code(
        self, tape: _Buffers, batch: Batch, share: float, make: MakePass, *, first: bool
    ) -> tuple[Value, ForwardPass]:
        """Take the loss down to the code and on to the weights; autograd has the code between."""
        dtype = self.flat.vector.dtype
        tape.encoder.forward()
        made = tape.encoder.y.detach().to(dtype).requires_grad_()
        forward = make(made)
        values = self.objective.term_values(forward)
        with torch.no_grad():
            loss, slope, fresh = self._to_code(tape, batch, forward, share, first=first)
        # A number whose derivative by the code is the slope: to go back from a tensor, torch would
        # import sympy first.
        around = (forward.code * slope).sum()
        total = loss
        if values:
            terms = torch.stack(values).sum() * share
            total, around = loss + terms.detach(), around + terms
        if around.requires_grad:  # or a latent lets nothing through to the encoder
            around.backward()
        if made.grad is not None or self.by_stacks:
            of_heads = torch.zeros_like(made) if made.grad is None else made.grad
            self._to_encoder(tape, of_heads, forward, fresh=fresh)
        return Value(total, [loss / share, *(value.detach() for value in values)]), forward

    def _by_objective(
        self, tape: _Buffers, inputs: Tensor, share: float, make: MakePass
    ) -> tuple[Value, ForwardPass]:
        """Let autograd go through all but the blocks."""
        dtype = self.flat.vector.dtype
        learned = inputs.requires_grad  # as the vectors of levels are
        start = inputs if learned else torch.empty(0, device=inputs.device, requires_grad=True)
        made: Tensor = _Stack.apply(start, tape.encoder, learned, dtype)  # type: ignore[no-untyped-call]
        forward = make(made)
        decoded = self.network.decoded_from(forward.code, forward.covariates)
        made = _Stack.apply(decoded, tape.decoder, True, dtype)  # type: ignore[no-untyped-call]
        forward.raw = made if self.input_layer is None else self.input_layer.outputs(made)
        value = self.objective(forward)
        total = value.total if share == 1 else value.total * share
        total.backward()
        return Value(total.detach(), value.parts), forward

    def _pass(
        self,
        batch: Batch,
        x_corrupted: Tensor,
        visible: Tensor | None,
        progress: float,
        generator: torch.Generator,
        pool: Pool | None,
        rows: Tensor | None,
        near: Callable[[], list[LocalJacobian]] | None,
        made: Tensor,
    ) -> ForwardPass:
        """Return the pass that the network would make of its heads, as far as the code."""
        n_heads = self.network.latent.n_heads
        heads = [made] if n_heads == 1 else list(made.chunk(n_heads, 1))
        posterior = self.network.posterior_from(heads, visible)
        return ForwardPass(
            network=self.network,
            x=batch.x,
            x_corrupted=x_corrupted,
            posterior=posterior,
            code=posterior.rsample(generator),
            raw=made.new_empty(0, 0),  # not there yet, or not for anyone to look at
            observed=batch.observed,
            sample_weight=batch.sample_weight,
            target=batch.target,
            generator=generator,
            progress=progress,
            pool=pool,
            rows=rows,
            covariates=self.network.covariates(batch.x, batch.observed),
            near=near,
        )

    def _jacobian(self, tape: _Buffers) -> list[LocalJacobian]:
        """Return what the encoder has in its buffers, as `Network.local_jacobian` does."""
        dtype = self.flat.vector.dtype
        jacobian = []
        for number, (block, layer) in enumerate(
            zip(self.encoder, tape.encoder.layers, strict=True)
        ):
            part = block.parts[0]  # of the heads, that of the mean
            value = layer.y[:, part.gives].to(dtype)
            direct, pull = part.activation.direct, tape.pulls.get(number)
            assert direct is not None
            kept = layer.input[:, part.gives].to(dtype) if direct.keeps_input else value
            slope = part.activation.slope_at(kept)
            near = LocalJacobian(value, slope, part.matrix, part.matrix_gradient)
            if pull is not None and direct.curvature is not None:
                near = near._replace(curvature=direct.curvature(kept), pull=pull)
            jacobian.append(near)
        return jacobian

    def _loss(
        self, tape: _Buffers, chain: BlockChain, batch: Batch, seen: Tensor, share: float
    ) -> tuple[Tensor, Tensor]:
        """Return the loss of what a chain gave, times the share, and its derivative by that."""
        raw, out = (chain.y, chain.grad_y) if tape.raw is None else (tape.raw, tape.slopes)
        if self.coarse:
            raw.copy_(chain.y)
        link = self.network.link
        layer = self.input_layer
        if layer is None or (layer.n_shown == layer.n_out and not self.has_vectors):
            return self.objective.loss_and_gradient(raw, batch, seen, link, share, out)
        with torch.no_grad():  # outputs are made of vectors, which are learned
            own = layer.outputs(raw).contiguous()  # as losses have it
        loss, slopes = self.objective.loss_and_gradient(
            own, batch, seen, link, share, torch.empty_like(own)
        )
        layer.add_said_gradients(raw, slopes)
        last = layer.n_shown  # what is said of missing cells is not looked at
        out[:, :last] = layer.said_slopes(slopes)
        out[:, last:] = 0.0
        return loss, out

    def _to_vectors(self, chain: BlockChain, seen: Tensor) -> None:
        """Add what comes down a chain to the gradients of the vectors that it began at."""
        if self.has_vectors:
            assert self.input_layer is not None
            self.input_layer.add_seen_gradients(seen, chain.grad_x)

    def _collect(self, *, first: bool) -> None:
        """Bring coarse gradients to the parameters' own."""
        if first:
            self.flat.gradient.copy_(self._gradient)
        else:
            self.flat.gradient.add_(self._collected.copy_(self._gradient))

    def _tape(self, n_rows: int) -> _Buffers:
        buffers = self._tapes.get(n_rows)
        if buffers is None:
            if len(self._tapes) == SIZES:
                self._tapes.clear()
            x = self._vector.new_empty(n_rows, self.encoder[0].n_in)
            buffers = self._tapes[n_rows] = _Buffers(x, self)
        return buffers


class _Buffers:
    """The buffers and calls for one number of rows."""

    def __init__(self, x: Tensor, fused: DenseGradients) -> None:
        self.x = x
        encoder, decoder, places = fused.encoder, fused.decoder, fused._places
        self.clean: Tensor | None = None
        self.raw: Tensor | None = None
        self.pulls: dict[int, Tensor] = {}  # by the number of a layer
        if fused.has_closed_form:
            self.whole = BlockChain([*encoder, *decoder], x, places)
        else:
            code = x.new_empty(len(x), decoder[0].n_in)
            self.encoder = BlockChain(encoder, x, places)
            self.decoder = BlockChain(decoder, code, places)
            for number in fused.bent:
                columns = encoder[number].parts[0].gives
                self.pulls[number] = self.encoder.pull(number, columns, fused.flat.vector.dtype)
        if fused.coarse and fused.loss_is_apart:  # computed in the dtype of the weights
            last = self.whole if fused.has_closed_form else self.decoder
            self.raw = torch.empty_like(last.y, dtype=fused.flat.vector.dtype)
            self.slopes = torch.empty_like(self.raw)


class _Stack(torch.autograd.Function):
    """A chain of blocks as one function, whose parameters' gradients go where they belong."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, chain: BlockChain, filled: bool, dtype: torch.dtype) -> Tensor:
        """Return the chain's output for x, or for what is in its buffer already."""
        ctx.chain, ctx.to_x = chain, filled
        if filled:
            chain.x.copy_(x)
        chain.forward()
        return chain.y.detach().to(dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None, None]:
        chain = ctx.chain
        chain.backward(grad, fresh=False, to_x=ctx.to_x)
        return chain.grad_x.to(grad.dtype, copy=True) if ctx.to_x else None, None, None, None


def reason(network: Network) -> str | None:
    """Return why a network is trained by autograd alone, in a few words; None if it need not be."""
    stages = _unrolled(network)
    if stages is None:
        return "it has a head"
    if not all(dense_program.compilable(part) for part in stages):
        return "not all of its layers are dense"
    return None


def mean_work(network: Network) -> float:
    """Return how many multiplications a product takes for each row, on average."""
    encoder, decoder = _stacks(network)
    parts = [part for stage in (*encoder, *decoder) for part in stage.parts]
    sizes = [part.size for part in parts if part.weight is not None]
    return sum(sizes) / len(sizes)


def _unrolled(network: Network) -> tuple[list[AffineBlock | None], ...]:
    """Return a network's blocks as affine maps; unrolled where that was measured to pay."""
    device = next(network.parameters()).device
    return network.stages(unrolled=device.type == "cpu")


def _parameters(blocks: Sequence[AffineBlock]) -> set[int]:
    """Return which parameters the maps of blocks have, by their ids."""
    maps = [part for block in blocks for part in block.parts]
    own = [own for part in maps for own in (part.weight, part.bias) if own is not None]
    return {id(parameter) for parameter in own}


def _of_matrix(block: AffineBlock) -> bool:
    """Return whether the first map of a block is a matrix, and of all its input."""
    first = block.parts[0]
    of_all = first.takes == slice(0, block.n_in) and not isinstance(block.order, list)
    is_matrix = first.weight is not None and first.spread is None
    return of_all and is_matrix and first.activation.direct is not None


def _stacks(network: Network) -> tuple[Sequence[AffineBlock], Sequence[AffineBlock]]:
    body, heads, decoder = _unrolled(network)
    return [*body, dense_program.joined(heads)], decoder  # type: ignore[list-item,arg-type,return-value]
