"""Convolutions of short blocks by a Fourier transform that is a matrix product.

A convolution of K taps over a block costs K products of channels per output. After a discrete Fourier transform of N
positions it costs one complex product per frequency, which three real ones make (Karatsuba): about 2 products per
output for 11 taps and blocks of 32, and the transforms, small dense matrices, add a tenth. All of it is large matrix
products in float32, whose rounding is smaller than that of a sum over all taps and channels. (Winograd's minimal
filters, Lavin & Gray 2016, need as few products, but lose all precision at this length.)
"""

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F

# Positions of a block, and blocks worked on together by a thread: what lies between two products stays in the cache.
BLOCK = 32
BLOCKS_AT_ONCE = 64
# How many times fewer multiplications there must be for the detour to pay.
WORTH = 2


class BlockConvolution:
    """Convolution of blocks: (length, M, C_in) -> (length + 2 padding - K + 1, M, C_out), positions first.

    Parameters
    ----------
    weight : (C_out, C_in, K)
    length : int
        Positions of a block.
    padding : int
        Zeros on either side.
    """

    def __init__(self, weight, length, padding=0):
        taps = weight.shape[2]
        of_taps, of_block, back = _transforms(taps, length, padding)
        products = torch.einsum("mk,hck->mch", torch.from_numpy(of_taps).to(weight.device), weight.detach().double())
        self.weight = products.to(weight.dtype).contiguous()
        self.forth, self.back = (torch.from_numpy(m).to(weight) for m in (of_block, back))

    def __call__(self, x):
        length, M, _ = x.shape
        y = torch.bmm((self.forth @ x.reshape(length, -1)).view(len(self.forth), M, -1), self.weight)
        return (self.back @ y.view(len(self.forth), -1)).view(len(self.back), M, -1)


def convolve_in_blocks(x, convolution, taps):
    """Convolution whose output is as long as its input, (n, L, C_in) -> (n, L, C_out), without bias.

    Parameters
    ----------
    convolution : BlockConvolution
        Of blocks of `BLOCK` positions, without padding.
    taps : int
    """
    n, L, C = x.shape
    new, left = BLOCK - taps + 1, (taps - 1) // 2
    blocks = -(-L // new)
    x = F.pad(x, (0, 0, left, blocks * new + taps - 1 - L - left))
    y = x.new_empty(n, blocks * new, convolution.weight.shape[2])
    at_once = BLOCKS_AT_ONCE * torch.get_num_threads()
    rows, columns = max(1, at_once // blocks), min(blocks, at_once)
    for i in range(0, n, rows):
        for j in range(0, blocks, columns):
            own = x[i : i + rows, j * new :]
            m, k = len(own), min(columns, blocks - j)
            tiles = own.as_strided((BLOCK, m, k, C), (C, x.stride(0), new * C, 1), own.storage_offset())
            part = convolution(tiles.reshape(BLOCK, m * k, C)).view(new, m, k, -1)
            y[i : i + rows, j * new : (j + k) * new].view(m, k, new, -1).copy_(part.permute(1, 2, 0, 3))
    return y[:, :L]


def pays(weight, length=BLOCK, padding=0):
    """Whether a `BlockConvolution` needs far fewer multiplications than the plain sum over taps."""
    C_out, C_in, taps = weight.shape
    outputs = length + 2 * padding - taps + 1
    if outputs < 1:
        return False
    size = length + padding
    products = 3 * (size - 1) // 2 + 1 + (size % 2 == 0)
    detour = products * (C_in * C_out + length * C_in + outputs * C_out)
    return WORTH * detour < outputs * taps * C_in * C_out


@lru_cache
def _transforms(taps, length, padding):
    """Matrices of a bilinear algorithm: block convolution = back @ ((of_taps @ w) * (of_block @ x)).

    of_taps (products, taps), of_block (products, length), back (outputs, products).
    """
    size = length + padding  # zeros at the end serve both sides, as a transform is circular
    position, tap = np.arange(length), np.arange(taps)
    output = np.arange(-padding, length + padding - taps + 1)
    of_taps, of_block, back = [], [], []
    for frequency in range(size // 2 + 1):
        angle = 2 * np.pi * frequency / size
        # A correlation multiplies the block's transform by the conjugate of the taps' one.
        block = np.cos(angle * position), -np.sin(angle * position)
        weight = np.cos(angle * tap), np.sin(angle * tap)
        if 2 * frequency in (0, size):
            of_block.append(block[0])
            of_taps.append(weight[0])
            back.append(np.cos(angle * output) / size)
        else:
            of_block += [block[0] + block[1], block[0], block[1]]
            of_taps += [weight[0], weight[1] - weight[0], weight[0] + weight[1]]
            real, imaginary = 2 / size * np.cos(angle * output), -2 / size * np.sin(angle * output)
            back += [real + imaginary, imaginary, -real]
    return np.array(of_taps), np.array(of_block), np.array(back).T.copy()
