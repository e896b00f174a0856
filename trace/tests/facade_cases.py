"""Snippets that run alike on PyTorch and on etch's torch. Each sets `out` (a tensor or a list of tensors) from inputs of fixed shapes:

    x, y f32[2, 3, 4]   p f32[2, 3, 4] positive   q f32[4, 5]   n i64[2, 3] in [0, 4)   b bool[2, 3, 4]   img f32[2, 4, 6, 6]

check_facade.py traces them with etch and evaluates the graph with PyTorch, beside PyTorch running the snippet itself.
"""
SETUP = "import torch, math\nfrom torch import nn\nimport torch.nn.functional as F\ntorch.manual_seed(0)\n"
CASES = {
    # einsum
    "einsum_matmul": "out = torch.einsum('bij,bkj->bik', x, y)",
    "einsum_no_arrow": "out = torch.einsum('ij,jk', x[0], q)",
    "einsum_trace_like": "out = [torch.einsum('bii->bi', x[:, :, :3]), torch.einsum('bii->b', x[:, :, :3])]",
    "einsum_ellipsis": "out = torch.einsum('...i,ij->...j', x, q)",
    "einsum_outer": "out = torch.einsum('i,j->ij', x[0, 0], y[0, 1])",
    "einsum_three": "out = torch.einsum('bij,jk,bil->bkl', x, q, y)",
    "einsum_permute": "out = torch.einsum('bij->jib', x)",
    "einsum_sum": "out = [torch.einsum('bij->b', x), torch.einsum('bij,bij->', x, y)]",
    "einsum_rows": "out = torch.einsum('bhwc,hkc->bhwk', img.permute(0, 2, 3, 1), torch.randn(6, 3, 4).mul(0) + img[0, :3].permute(1, 0, 2)[:, :, :4])",
    "einsum_broadcast_one": "out = torch.einsum('bij,bij->bi', x, y[:1])",
    # vmap
    "vmap_elementwise": "out = torch.vmap(lambda a, c: a * c + 1)(x, y)",
    "vmap_in_dims": "out = torch.vmap(lambda a, c: a - c, in_dims=(1, None))(x, y[0, 0])",
    "vmap_out_dims": "out = torch.vmap(lambda a: a * 2, in_dims=2, out_dims=1)(x)",
    "vmap_mask": """
def f(bb, h, qq, k): return (k <= qq) & (k > qq - 2) & n[bb, k % 3].bool()
for dims in [(None, None, None, 0), (None, None, 0, None), (None, 0, None, None), (0, None, None, None)]:
    f = torch.vmap(f, in_dims=dims, out_dims=0)
out = f(torch.arange(2), torch.arange(1), torch.arange(4), torch.arange(5))""",
    "vmap_index_row": "out = torch.vmap(lambda r: r[1])(x)",
    "vmap_reduce": "out = torch.vmap(lambda r: r.sum())(x)",
    "vmap_nested": "out = torch.vmap(torch.vmap(lambda a, c: a + c, in_dims=(0, None)), in_dims=(None, 0))(x[0, 0], y[0, 1])",
    "vmap_where": "out = torch.vmap(lambda a, c: torch.where(a > c, a, c))(x, y)",
    # shapes
    "meshgrid": "out = list(torch.meshgrid(x[0, 0], y[0, 0], indexing='ij')) + list(torch.meshgrid(x[0, 0], y[0, 0, :2], indexing='xy'))",
    "stacks": "out = [torch.hstack([x, y]), torch.vstack([x[0], y[0]]), torch.dstack([x, y]), torch.column_stack([x[0, 0], y[0, 0]])]",
    "atleast": "out = [torch.atleast_1d(x[0, 0, 0]), torch.atleast_2d(x[0, 0]), torch.atleast_3d(x[0])]",
    "tile_movedim": "out = [torch.tile(x, (2, 1)), x.movedim(0, -1), torch.movedim(x, (0, 1), (2, 0)), x.swapaxes(0, 2)]",
    "rot_flip": "out = [torch.rot90(x, 1, (1, 2)), torch.rot90(x, 2, (1, 2)), torch.rot90(x, 3, (1, 2)), torch.fliplr(x), torch.flipud(x)]",
    "splits": "out = list(torch.tensor_split(x, 3, -1)) + list(x.chunk(3, 2)) + list(torch.tensor_split(x, [1, 3], 2)) + list(torch.hsplit(x, 3))",
    "block_diag": "out = [torch.block_diag(x[0], q), torch.cartesian_prod(x[0, 0], y[0, 0])]",
    "diag": "out = [torch.diag(x[0, 0]), torch.diag(x[0, 0], 1), torch.diag(x[0]), torch.diag(x[0], -1), torch.trace(x[0])]",
    "unflatten": "out = [x.flatten(1).unflatten(1, (3, -1)), nn.Unflatten(1, (4, 3))(x.flatten(1)), x.ravel()]",
    "repeat_interleave": "out = [x.repeat_interleave(2, 1), torch.repeat_interleave(x, 3, dim=-1), x[0, 0].repeat_interleave(2), x.repeat_interleave(torch.tensor([1, 0, 2]), dim=1)]",
    "broadcast": "out = list(torch.broadcast_tensors(x, q[:, 0])) + [torch.broadcast_to(q[:, 0], (3, 4))]",
    "tril_indices": "out = [torch.tril_indices(3, 4), torch.triu_indices(3, 3, 1)]",
    # pointwise
    "special": "out = [torch.logit(p.clamp(0.1, 0.9) * 0.5), torch.xlogy(p, p), torch.sinc(x), torch.logaddexp(x, y), torch.square(x), torch.lerp(x, y, 0.3)]",
    "nans": "out = [torch.nan_to_num(torch.where(b, x, float('nan'))), torch.isfinite(x / 0), torch.isnan(x * float('nan')), torch.isinf(x / 0)]",
    "closeness": "out = [torch.isclose(x, x + 1e-9), torch.isin(n, torch.tensor([1, 3])), torch.isin(n, 2)]",
    "heaviside": "out = [torch.heaviside(x, y), torch.frac(x), torch.deg2rad(x), torch.hypot(x, y)]",
    # reductions
    "logsumexp": "out = [torch.logsumexp(x, -1), torch.logsumexp(x, (1, 2), keepdim=True)]",
    "moments": "out = [x.var(-1), x.std(1, unbiased=False), *torch.var_mean(x, -1), *torch.std_mean(x, 1, keepdim=True)]",
    "norms": "out = [torch.norm(x, dim=-1), x.norm(p=1, dim=1), torch.linalg.norm(x, dim=-1, keepdim=True), torch.linalg.vector_norm(x), F.normalize(x, dim=-1), torch.norm(x)]",
    "counts": "out = [torch.count_nonzero(n), torch.nansum(torch.where(b, x, float('nan')))]",
    # products
    "products": "out = [torch.outer(x[0, 0], y[0, 0]), torch.mv(x[0], y[0, 0]), torch.dot(x[0, 0], y[0, 0]), torch.tensordot(x, q, 1), torch.inner(x, y), torch.addmm(y[0] @ q, x[0], q)]",
    "baddbmm": "out = [torch.baddbmm(torch.zeros(2, 3, 3), x, y.transpose(1, 2), beta=0.5, alpha=2), torch.addbmm(torch.ones(3, 3), x, y.transpose(1, 2))]",
    "kron_cross": "out = [torch.kron(x[0], q), torch.cross(x[0].t()[:3], y[0].t()[:3], dim=0) if False else torch.linalg.cross(x[..., :3], y[..., :3])]",
    "cdist": "out = [torch.cdist(x, y), F.cosine_similarity(x, y, dim=-1), F.pairwise_distance(x, y)]",
    "diff": "out = [torch.diff(x), torch.diff(x, n=2, dim=-1), torch.diff(x, prepend=y[..., :1])]",
    "solve_triangular": "out = torch.linalg.solve_triangular(torch.tril(p[:, :3, :3]) + torch.eye(3), x, upper=False)",
    # selection
    "take": "out = [torch.take(x, n), torch.take_along_dim(x, n[..., None], dim=-1), x.index_fill(1, torch.tensor([0, 2]), 5.0)]",
    "search": "s = torch.tensor([0., 0.5, 1., 2.]); out = [torch.bucketize(x, s), torch.searchsorted(s, x, right=True), torch.bucketize(x, s, right=True)]",
    "unique": "c = torch.tensor([3, 1, 3, 2, 2]); u, i, k = torch.unique(c, return_inverse=True, return_counts=True); out = [u, i, k, torch.unique_consecutive(c)]",
    "one_hot": "out = F.one_hot(n, 4)",
    # activations and layers
    "activations_a": "out = [F.silu(x), F.gelu(x), F.gelu(x, approximate='tanh'), F.relu6(x * 4), F.hardswish(x * 3), F.hardsigmoid(x), F.mish(x), F.elu(x), F.celu(x, 2.0), F.selu(x)]",
    "activations_b": "out = [F.leaky_relu(x), F.softplus(x), F.softsign(x), F.tanhshrink(x), F.softshrink(x), F.hardshrink(x), F.threshold(x, 0.1, 7.0), F.logsigmoid(x), F.glu(x), F.hardtanh(x)]",
    "activation_layers": "out = [nn.ReLU()(x), nn.SiLU()(x), nn.GELU('tanh')(x), nn.Softmax(-1)(x), nn.LogSoftmax(1)(x), nn.LeakyReLU(0.2)(x), nn.ELU(0.5)(x), nn.Hardtanh(-0.2, 0.3)(x), nn.Tanh()(x), nn.GLU(1)(x.transpose(1, 2))]",
    "softmax_dtype": "out = [F.softmax(x, -1, dtype=torch.float64), F.softmin(x, 1), torch.softmax(x, 0), x.log_softmax(-1)]",
    "inplace": "z = x.clone(); nn.ReLU(inplace=True)(z); w = y.clone(); F.silu(w, inplace=True); out = [z, w]",
    "layer_norm": "out = [F.layer_norm(x, (4,), q[:, 0], q[:, 1]), F.layer_norm(x, (3, 4)), F.rms_norm(x, (4,), q[:, 2], 1e-6), F.group_norm(img, 2), F.instance_norm(img)]",
    "batch_norm": "out = F.batch_norm(img, q[:, 0], q[:, 1].abs(), q[:, 2], q[:, 3])",
    "linear": "out = [F.linear(x, q.t()), F.linear(x, q.t(), q[0]), F.bilinear(x, y, torch.ones(5, 4, 4) * q.t()[:, :, None])]",
    "conv": "w = img[:, :, :3, :3]; out = [F.conv2d(img, w), F.conv2d(img, w, padding=1, stride=2), F.conv2d(img, w, padding='same'), F.conv2d(img, img[:, :2, :3, :3].reshape(2, 2, 3, 3), groups=2), F.conv1d(img[:, :, 0], img[:, :, 0, :3]), F.conv2d(img, w, dilation=2)]",
    "conv_transpose": "w = img.transpose(0, 1)[:, :, :3, :3]; out = [F.conv_transpose2d(img, w), F.conv_transpose2d(img, w, stride=2, padding=1, output_padding=1), F.conv_transpose1d(img[:, :, 0], w[:, :, 0])]",
    "pools": "out = [F.max_pool2d(img, 2), F.avg_pool2d(img, 3, 1, 1), F.adaptive_avg_pool2d(img, 1), F.adaptive_avg_pool2d(img, (3, None)), F.avg_pool1d(img[:, :, 0], 2), F.max_pool1d(img[:, :, 0], 2), F.avg_pool2d(img, 2, ceil_mode=True)]",
    "pads": "out = [F.pad(x, (1, 2)), F.pad(x, (1, 1, 2, 0), value=3.0), F.pad(img, (1, 1, 2, 2), mode='reflect'), F.pad(img, (1, 2, 0, 1), mode='replicate'), F.pad(img, (1, 2, 0, 1), mode='circular'), nn.ZeroPad2d(1)(img)]",
    "interpolate": "out = [F.interpolate(img, scale_factor=2), F.interpolate(img, size=(4, 9), mode='bilinear'), F.interpolate(img, size=(4, 9), mode='bilinear', align_corners=True), F.interpolate(img, size=(9, 8), mode='bicubic'), F.interpolate(img[:, :, 0], size=9, mode='linear'), F.interpolate(img, size=3, mode='area')]",
    "unfold_fold": "u = F.unfold(img, 3, padding=1, stride=2); out = [u, F.fold(u, (6, 6), 3, padding=1, stride=2), F.fold(F.unfold(img, 2, stride=2), (6, 6), 2, stride=2)]",
    "pixel": "out = [F.pixel_shuffle(img, 2), F.pixel_unshuffle(img, 3), nn.ChannelShuffle(2)(img)]",
    "embedding": "out = [F.embedding(n, q), F.embedding(n, q, padding_idx=0)]",
    "sdpa": "z = x[:, None]; out = [F.scaled_dot_product_attention(z, y[:, None], p[:, None]), F.scaled_dot_product_attention(z, y[:, None], p[:, None], is_causal=True), F.scaled_dot_product_attention(z, y[:, None], p[:, None], attn_mask=b[:, None, :, :3], scale=0.3), F.scaled_dot_product_attention(x[None].repeat(1, 2, 1, 1), y[None], p[None], enable_gqa=True)]",
    "grid_sample": "g = torch.tanh(img[:, :2].permute(0, 2, 3, 1)); out = [F.grid_sample(img, g, align_corners=False), F.grid_sample(img, g, mode='nearest', padding_mode='border', align_corners=True)]",
    "mha": """
m = nn.MultiheadAttention(4, 2, batch_first=True)
with torch.no_grad():
    for i, (k, v) in enumerate(m.named_parameters()): v.copy_((torch.arange(v.numel()).reshape(v.shape) % 7 - 3) * 0.1)
m.eval(); out = list(m(x, y, y)) + [m(x, x, x, need_weights=False)[0], m(x, y, y, key_padding_mask=torch.tensor([[False, True, False]] * 2), need_weights=False)[0]]""",
    "encoder_layer": """
m = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, norm_first=True)
with torch.no_grad():
    for v in m.parameters(): v.copy_((torch.arange(v.numel()).reshape(v.shape) % 5 - 2) * 0.1)
m.eval(); out = m(x)""",
    "lstm_gru": """
out = []
for cls in (nn.LSTM, nn.GRU, nn.RNN):
    m = cls(4, 3, num_layers=2, bidirectional=True, batch_first=True)
    with torch.no_grad():
        for v in m.parameters(): v.copy_((torch.arange(v.numel()).reshape(v.shape) % 5 - 2) * 0.2)
    o, s = m(x); out += [o, *(s if isinstance(s, tuple) else (s,))]""",
    "weight_norm": """
out = []
for fn in (torch.nn.utils.weight_norm, torch.nn.utils.parametrizations.weight_norm):
    m = nn.Linear(4, 3)
    with torch.no_grad():
        for v in m.parameters(): v.copy_((torch.arange(v.numel()).reshape(v.shape) % 5 - 2) * 0.2 + 0.1)
    out.append(fn(m)(x))""",
    "windows": "out = [torch.hann_window(8), torch.hamming_window(7, periodic=False), torch.blackman_window(6)]",
    "glu_sequential": "m = nn.Sequential(nn.Identity(), nn.Flatten(1), nn.Dropout(0.5)).eval(); out = [m(x), nn.CosineSimilarity(-1)(x, y), nn.PixelShuffle(2)(img), nn.Upsample(scale_factor=2)(img)]",
    "associative_scan": "from torch._higher_order_ops.associative_scan import associative_scan\nout = [torch.cumsum(x, 1), torch.cumprod(x, -1)]",
    "rfft": "z = torch.fft.rfft(x, dim=-1); out = [torch.view_as_real(z), torch.fft.irfft(z, n=4, dim=-1)]",
    "functional_call": """
from torch.func import functional_call
m = nn.Linear(4, 5); out = functional_call(m, {'weight': q.t(), 'bias': q[0]}, (x,))""",
}
