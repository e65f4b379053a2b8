"""Which isoform stands for a gene."""


def representative(transcripts):
    """One transcript a gene: the longest CDS, then the longest 5'UTR, then the longest 3'UTR, then the first id.

    Returns
    -------
    list of Transcript
        In the order in which the genes first appear.
    """

    def rank(transcript):
        start, end = transcript.cds
        return start - end, -start, end - len(transcript.sequence), transcript.id

    best = {}
    for transcript in transcripts:
        if transcript.gene not in best or rank(transcript) < rank(best[transcript.gene]):
            best[transcript.gene] = transcript
    return list(best.values())
