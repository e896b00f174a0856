"""RNN, LSTM, GRU with PyTorch's parameter names; the forward pass is unrolled over a static sequence length."""
import math

import torch
from torch.nn import functional as F
from torch.nn import init
from torch.nn.modules.module import Module
from torch.nn.parameter import Parameter


class RNNBase(Module):
    """weight_ih_l{k} [gates * H, in], weight_hh_l{k} [gates * H, H], bias_ih_l{k}, bias_hh_l{k} [gates * H]; `_reverse` suffix."""

    gates = 1

    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False,
                 proj_size=0, device=None, dtype=None):
        super().__init__()
        if proj_size:
            raise NotImplementedError("etch: recurrent layers with proj_size cannot be traced")
        self.input_size, self.hidden_size, self.num_layers, self.bias = input_size, hidden_size, num_layers, bias
        self.batch_first, self.dropout, self.bidirectional, self.proj_size = batch_first, dropout, bidirectional, proj_size
        directions = 2 if bidirectional else 1
        for layer in range(num_layers):
            for direction in range(directions):
                suffix = "_reverse" if direction else ""
                width = input_size if layer == 0 else hidden_size * directions
                shapes = [("weight_ih", (self.gates * hidden_size, width)), ("weight_hh", (self.gates * hidden_size, hidden_size))]
                if bias:
                    shapes += [("bias_ih", (self.gates * hidden_size,)), ("bias_hh", (self.gates * hidden_size,))]
                for name, shape in shapes:
                    setattr(self, f"{name}_l{layer}{suffix}", Parameter(torch.empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    def reset_parameters(self):
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self):
        return None

    def _step(self, gi, state, w_hh, b_hh):
        raise NotImplementedError

    def _zero_state(self, x, batch):
        return torch.zeros(self.num_layers * (2 if self.bidirectional else 1), batch, self.hidden_size, dtype=x.dtype)

    def _states(self, x, batch, hx):
        return (self._zero_state(x, batch) if hx is None else hx,)

    def forward(self, input, hx=None):
        if not isinstance(input, torch.Tensor):
            raise NotImplementedError("etch: packed sequences cannot be traced")
        batched = input.dim() == 3
        x = input if batched else input.unsqueeze(1)
        if self.batch_first and batched:
            x = x.transpose(0, 1)
        steps, batch = int(x.shape[0]), x.shape[1]
        states = self._states(x, batch, hx)
        if not batched and hx is not None:
            states = tuple(s.unsqueeze(1) for s in states)
        finals = []
        index = 0
        for layer in range(self.num_layers):
            outs = []
            for direction in range(2 if self.bidirectional else 1):
                suffix = f"_l{layer}" + ("_reverse" if direction else "")
                w_ih, w_hh = getattr(self, "weight_ih" + suffix), getattr(self, "weight_hh" + suffix)
                b_ih = getattr(self, "bias_ih" + suffix) if self.bias else None
                b_hh = getattr(self, "bias_hh" + suffix) if self.bias else None
                gi = F.linear(x, w_ih, b_ih)
                state = tuple(s[index] for s in states)
                seq = [None] * steps
                for t in reversed(range(steps)) if direction else range(steps):
                    state = self._step(gi[t], state, w_hh, b_hh)
                    seq[t] = state[0]
                outs.append(torch.stack(seq, 0))
                finals.append(state)
                index += 1
            x = torch.cat(outs, -1) if len(outs) > 1 else outs[0]
        state = tuple(torch.stack([f[i] for f in finals], 0) for i in range(len(finals[0])))
        if self.batch_first and batched:
            x = x.transpose(0, 1)
        if not batched:
            x, state = x.squeeze(1), tuple(s.squeeze(1) for s in state)
        return x, state if len(state) > 1 else state[0]


class RNN(RNNBase):
    def __init__(self, *args, nonlinearity="tanh", **kwargs):
        super().__init__(*args, **kwargs)
        self.nonlinearity = nonlinearity

    def _step(self, gi, state, w_hh, b_hh):
        total = gi + F.linear(state[0], w_hh, b_hh)
        return (torch.tanh(total) if self.nonlinearity == "tanh" else torch.relu(total),)


class LSTM(RNNBase):
    gates = 4

    def _states(self, x, batch, hx):
        return (self._zero_state(x, batch), self._zero_state(x, batch)) if hx is None else tuple(hx)

    def _step(self, gi, state, w_hh, b_hh):
        h, c = state
        i, f, g, o = (gi + F.linear(h, w_hh, b_hh)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class GRU(RNNBase):
    gates = 3

    def _step(self, gi, state, w_hh, b_hh):
        (h,) = state
        ir, iz, inn = gi.chunk(3, -1)
        hr, hz, hn = F.linear(h, w_hh, b_hh).chunk(3, -1)
        r, z = torch.sigmoid(ir + hr), torch.sigmoid(iz + hz)
        n = torch.tanh(inn + r * hn)
        return ((1 - z) * n + z * h,)
