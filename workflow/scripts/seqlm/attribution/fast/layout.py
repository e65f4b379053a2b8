"""Arrays with their channels last, and look-ups of rows in them."""

import torch
import torch.nn.functional as F


def rows(x, index):
    """Vectors of `x` (..., C) by their number: (*index.shape, C)."""
    return F.embedding(index, x.reshape(-1, x.shape[-1]))


def channels_last(weight):
    """Weights (C_out, C_in, k) laid out for `convolve`."""
    return weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)


def convolve(x, weight, bias=None, padding=0, dilation=1):
    """Convolution with channels last: x (n, L, C_in) -> (n, L', C_out).

    As a 2-d convolution in channels-last memory the input is read and the output written as they are.
    """
    x = x.transpose(1, 2).unsqueeze(2)
    return F.conv2d(x, weight, bias, padding=(0, padding), dilation=(1, dilation)).squeeze(2).transpose(1, 2)
