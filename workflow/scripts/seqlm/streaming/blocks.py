"""Many short stretches of a genome."""

from functools import lru_cache

_BLOCK = 1 << 16  # bases read at a time


class Blocks:
    """A genome read block by block: windows that lie close together, as in a sorted file, share what is read."""

    def __init__(self, genome):
        self.lengths, self._whole = genome.lengths, genome.fetch
        self._block = lru_cache(4)(self._read)

    def _read(self, chrom, number):
        return self._whole(chrom, number * _BLOCK, min((number + 1) * _BLOCK, self.lengths[chrom]))

    def fetch(self, chrom, start, end):
        """As `Genome.fetch`, of a stretch that lies within the record."""
        if end - start > _BLOCK:
            return self._whole(chrom, start, end)
        first = start // _BLOCK
        text = "".join(self._block(chrom, number) for number in range(first, -(-end // _BLOCK)))
        return text[start - first * _BLOCK : end - first * _BLOCK]
