"""How much of their k-mers sequences share: clusters of similar sequences, and leakage from training to test.

A sequence is the set of its canonical k-mers (a k-mer and its reverse complement are one), k = 12. Sets of long
sequences are thinned to about 256 k-mers by keeping those whose hash is small, the same ones in every sequence
(FracMinHash, Irber et al. 2022, doi:10.1101/2022.01.11.475838), so that shares stay unbiased.
"""

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

K = 12
SKETCH = 256  # k-mers kept of a sequence of median length
BLOCK = 2048  # rows multiplied at once
REFERENCES = 512  # sequences that queries are compared with at once
PORTION = 4_000_000  # bases cut into words at once
CODES = np.full(256, 4, np.uint8)
for _code, _letters in enumerate(("Aa", "Cc", "Gg", "TtUu")):
    CODES[[ord(letter) for letter in _letters]] = _code


def plain_bases(sequence):
    """The bases of a sequence of atomic tokens separated by spaces: the first letter of each (``aej#2.5`` is an a)."""
    return "".join(token[0] for token in sequence.split()) if " " in sequence else sequence


def kmer_sets(sequences, k=K):
    """The k-mer sets of sequences as a 0/1 matrix.

    Parameters
    ----------
    sequences : sequence of str (n)
    k : int
        Up to 16. Words with anything but A, C, G, T, U are left out.

    Returns
    -------
    scipy.sparse.csr_matrix (n, words), float32
    """
    texts = [plain_bases(sequence).encode("ascii", "replace") for sequence in sequences]
    lengths = np.array([len(text) for text in texts])
    kept = _kept(lengths, k)
    # Sequences are taken in portions of a few megabases, so that memory does not grow with the corpus.
    portion = lengths.cumsum() // PORTION
    bounds = np.flatnonzero(np.diff(portion, prepend=-1, append=-1)) if len(texts) else [0]
    packed = [_packed_words(texts[a:b], a, k, kept) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    packed = np.concatenate([np.empty(0, np.uint64), *packed])
    return _sets(packed, len(texts), k)[1]


def _packed_words(texts, first_row, k, kept):
    """Distinct (row, canonical word) pairs of some texts, each packed into one integer: row * 4**k + word."""
    # One N between neighbours, so that no word spans two sequences.
    codes = CODES[np.frombuffer(b"N".join(texts), np.uint8)].astype(np.uint64)
    row = np.repeat(np.arange(first_row, first_row + len(texts), dtype=np.uint64), [len(text) + 1 for text in texts])
    positions = max(len(codes) - k + 1, 0)
    forward = np.zeros(positions, np.uint64)
    backward = np.zeros(positions, np.uint64)
    known = np.ones(positions, bool)
    for offset in range(k):
        base = codes[offset : offset + positions]
        known &= base < 4
        forward = forward << np.uint64(2) | base & np.uint64(3)
        backward |= (np.uint64(3) - (base & np.uint64(3))) << np.uint64(2 * offset)
    word, row = np.minimum(forward, backward)[known], row[:positions][known]
    if kept < 1:
        small = _hash(word) < np.uint64(2**64 * kept)
        word, row = word[small], row[small]
    return np.unique(row << np.uint64(2 * k) | word)


def _hash(word):
    """A uniform 64-bit hash of k-mers (the finaliser of SplitMix64)."""
    word = (word ^ word >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ word >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return word ^ word >> np.uint64(31)


def similarity_clusters(sequences, similarity=0.5, k=K):
    """Group sequences so that no two of different groups share many k-mers.

    Two sequences are linked when they share at least `similarity` of the k-mers of the one that has fewer; groups are
    the connected components (single linkage).

    Returns
    -------
    int array (n,)
        Cluster of each sequence, numbered from 0 in order of first appearance.
    """
    sets = kmer_sets(sequences, k)
    size = np.diff(sets.indptr).astype(np.float32)
    transposed = sets.T.tocsr()
    rows, columns = [], []
    for start in tqdm(range(0, len(size), BLOCK), desc="clusters", unit="block", disable=len(size) <= BLOCK):
        shared = (sets[start : start + BLOCK] @ transposed).tocoo()
        row = shared.row + start
        linked = (row < shared.col) & (shared.data >= similarity * np.minimum(size[row], size[shared.col]))
        rows.append(row[linked])
        columns.append(shared.col[linked])
    row, column = np.concatenate(rows or [[]]), np.concatenate(columns or [[]])
    graph = csr_matrix((np.ones(len(row), bool), (row, column)), shape=(len(size), len(size)))
    _, label = connected_components(graph, directed=False)
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def nearest_shares(queries, references, k=K):
    """Largest share of each query's k-mers found in a single reference sequence.

    Parameters
    ----------
    queries : sequence of str (n)
    references : iterable of str
        Taken a few megabases at a time, so that memory does not grow with them.
    k : int

    Returns
    -------
    float32 array (n,)
        0 to 1; 0 for a query without k-mers.
    """
    texts = [plain_bases(sequence).encode("ascii", "replace") for sequence in queries]
    kept = _kept([len(text) for text in texts], k)
    words, sets = _sets(_packed_words(texts, 0, k, kept), len(texts), k)
    best = np.zeros(len(texts), np.float32)
    for block in tqdm(_blocks(references), desc="similar", unit="block", delay=10):
        packed = _packed_words(block, 0, k, kept)
        word = packed & np.uint64(4**k - 1)
        place = np.searchsorted(words, word)
        known = place < len(words)
        known[known] = words[place[known]] == word[known]
        row = (packed[known] >> np.uint64(2 * k)).astype(np.int64)
        shape = (len(words), len(block))
        reference = csr_matrix((np.ones(len(row), np.float32), (place[known], row)), shape=shape)
        if len(row):
            best = np.maximum(best, (sets @ reference).max(axis=1).toarray().ravel())
    return best / np.maximum(np.diff(sets.indptr), 1)


def _blocks(sequences):
    """Encoded sequences in lists of at most `REFERENCES` and about `PORTION` bases."""
    block, bases = [], 0
    for sequence in sequences:
        block.append(plain_bases(sequence).encode("ascii", "replace"))
        bases += len(block[-1])
        if len(block) == REFERENCES or bases > PORTION:
            yield block
            block, bases = [], 0
    if block:
        yield block


def _kept(lengths, k):
    """Share of k-mers that sets are thinned to."""
    typical = np.median(lengths) - k + 1 if len(lengths) else 0
    return min(SKETCH / typical, 1) if typical > 0 else 1


def _sets(packed, rows, k):
    """The words of packed pairs, sorted, and the 0/1 matrix (rows, words) of which row has which."""
    words, column = np.unique(packed & np.uint64(4**k - 1), return_inverse=True)
    row = (packed >> np.uint64(2 * k)).astype(np.int64)
    return words, csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(rows, len(words)))
