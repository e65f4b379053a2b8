"""How well the codons of an mRNA are adapted to those of its genome."""

import numpy as np


def codon_adaptation(transcripts):
    """Codon adaptation index of each CDS (Sharp & Li 1987, Nucleic Acids Research 15:1281).

    The reference is the longest CDS of each gene among `transcripts` themselves, so give those of one genome at a
    time. As a label it shows machinery rather than biology: it is a function of the sequence.

    Returns
    -------
    numpy.ndarray (n,)
        NaN for a CDS with a codon that is not made of A, C, G, T, or with nothing but ATG, TGG and stop codons.
    """
    from Bio.SeqUtils import CodonAdaptationIndex

    clean = [set(t.coding) <= set("ACGT") for t in transcripts]
    longest = {}
    for transcript, usable in zip(transcripts, clean, strict=True):
        if usable and len(transcript.coding) > len(longest.get(transcript.gene, "")):
            longest[transcript.gene] = transcript.coding
    index = CodonAdaptationIndex(longest.values())
    values = np.full(len(transcripts), np.nan)
    for i, (transcript, usable) in enumerate(zip(transcripts, clean, strict=True)):
        if usable:
            try:
                values[i] = index.calculate(transcript.coding)
            except ZeroDivisionError:  # no codon that counts
                continue
    return values
