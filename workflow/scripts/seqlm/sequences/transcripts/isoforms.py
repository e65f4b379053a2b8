"""Which isoform stands for a gene."""


def representative(transcripts):
    """One transcript a gene: the longest CDS, then the longest 5'UTR, then the longest 3'UTR, then the first id.

    A transcript without a gene (an empty name) stands for itself.

    Returns
    -------
    list of Transcript
        In the order in which the genes first appear.
    """

    def rank(transcript):
        start, end = transcript.cds
        return start - end, -start, end - len(transcript.sequence), transcript.id

    best = {}
    for number, transcript in enumerate(transcripts):
        gene = transcript.gene or number
        if gene not in best or rank(transcript) < rank(best[gene]):
            best[gene] = transcript
    return list(best.values())
